"""The SQL functions of accounts, as Django's cursor and the executors of the stores call them (accounts/sql/)."""

LOAD_SETTINGS = "SELECT generation, document FROM accounts_load_settings(%s::text)"
STORE_SETTINGS = "SELECT stored, generation FROM accounts_store_settings(%s::text, %s::text::json, %s::bigint[])"
