from ninja import Router

router = Router(tags=["rate-limits"])
