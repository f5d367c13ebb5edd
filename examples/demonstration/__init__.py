"""The steps of the demo, a module a subject; examples/demo.py runs them in order."""
