from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts.holdings import register
        from accounts.own_holdings import OWN

        for holding in OWN:
            register(holding)
