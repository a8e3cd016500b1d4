"""Each way that an order can go, on a running Ithaca: `python3 -m unittest discover tests` in the app's folder."""

import unittest

from ithaca import App

SHELF = {"tea": 10, "cup": 4, "pot": 1}
RESERVED = ["Accept", "ReserveStock", "IsAllReserved"]
# Each item is released or was never reserved; in which order items come is not told.
INNER = ["ReserveItem", "Not reserved", "FindReservation", "WasReserved", "ReleaseItem", "Released"]
GIVEN_BACK = ["ReleaseStock", "Order cancelled"]

WAYS = [
    {
        "name": "shipped",
        "states": ["Charge", "Ship", "Shipped"],
        "shelf": {"tea": 7, "cup": 2, "pot": 1},
        "reserved": 2,
        "left": ["charged", "sent"],
    },
    {"name": "short", "pots": 2, "cause": "OutOfStock", "states": GIVEN_BACK, "left": []},
    {
        "name": "unpaid",
        "card": "declined",
        "cause": "CardDeclined",
        "states": ["Charge", "Refund", *GIVEN_BACK],
        "left": ["refunded"],
    },
    {
        "name": "unsent",
        "address": "nowhere",
        "cause": "AddressUnknown",
        "states": ["Charge", "Ship", "CancelShipment", "Refund", *GIVEN_BACK],
        "left": ["refunded", "cancelled"],
    },
]


class Orders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.app = App()
        cls.addClassCleanup(cls.app.stop)

    def test_each_way(self):
        for way in WAYS:
            with self.subTest(way["name"]):
                items = [{"sku": sku, "quantity": quantity} for sku, quantity in SHELF.items()]
                restocked = self.app.run("Restock", {"items": items}, f"before-{way['name']}")
                self.assertEqual(restocked["status"], "SUCCEEDED")
                self.check(**way)

    def check(self, name, states, left, card="good", address="Vathy", pots=0, cause=None, shelf=SHELF, reserved=0):
        items = [{"sku": "tea", "quantity": 3}, {"sku": "cup", "quantity": 2}, {"sku": "pot", "quantity": pots}]
        order = {"id": name, "card": card, "address": address, "items": [item for item in items if item["quantity"]]}
        ended = self.app.run("OrderSaga", order, name)
        self.assertEqual([state for state in ended["states"] if state not in INNER], [*RESERVED, *states])
        self.assertEqual((ended["status"], ended.get("cause")), ("FAILED" if cause else "SUCCEEDED", cause))
        rows = {row["pk"]: row["quantity"] for row in self.app.rows("StockTable")}
        self.assertEqual({sku: rows[f"STOCK#{sku}"] for sku in SHELF}, shelf)
        self.assertEqual(sum(pk.startswith(f"RESERVED#{name}#") for pk in rows), reserved)
        orders = sorted((row["pk"], row["status"]) for row in self.app.rows("OrdersTable"))
        self.assertEqual([status for pk, status in orders if pk.endswith(f"#{name}")], left)


if __name__ == "__main__":
    unittest.main()
