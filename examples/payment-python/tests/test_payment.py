"""Each way that a payment can go, on a running Ithaca: `python3 -m unittest discover tests` in the app's folder."""

import unittest

from ithaca import App

STEPS = ["Accept", "Authorise", "Capture", "WriteLedger"]
TAKEN_BACK = ["Refund", "VoidAuthorisation", "Not paid"]
PAID = {"states": [*STEPS, "Paid"], "provider": {"authorise": "authorised", "capture": "captured"}}
UNAUTHORISED = {"states": [*STEPS[:2], *TAKEN_BACK[1:]], "provider": {"authorise": "voided"}}
REFUNDED = {"authorise": "voided", "capture": "refunded"}

WAYS = [
    {"name": "paid", **PAID},
    {"name": "busy", "card": "busy", **PAID},
    {"name": "declined", "card": "declined", "cause": "CardDeclined", **UNAUTHORISED},
    {"name": "slow", "card": "slow", "cause": "States.Timeout", **UNAUTHORISED},
    {"name": "blocked", "card": "blocked", "cause": "CaptureRefused", "states": [*STEPS[:3], *TAKEN_BACK], "provider": REFUNDED},
    {
        "name": "unbooked",
        "in_books": "another payment",
        "cause": "DynamoDB.ConditionalCheckFailedException",
        "states": [*STEPS, *TAKEN_BACK],
        "provider": REFUNDED,
    },
]


def payment(card="good"):
    return {"account": "shop", "amount": 4200, "currency": "EUR", "card": card}


class Payments(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.app = App()
        cls.addClassCleanup(cls.app.stop)

    def test_each_way(self):
        for way in WAYS:
            with self.subTest(way["name"]):
                self.check(**way)

    def check(self, name, states, provider, card="good", cause=None, in_books=None):
        if in_books:
            self.app.put("LedgerTable", pk=name, capture=in_books)
        ended = self.app.run("PaymentSaga", payment(card), name)
        self.assertEqual(ended["states"], states)
        self.assertEqual((ended["status"], ended.get("cause")), ("FAILED" if cause else "SUCCEEDED", cause))
        known = [row for row in self.app.rows("ProviderTable") if row["pk"].startswith(f"{name}#") and "status" in row]
        self.assertEqual({row["pk"].split("#")[1]: row["status"] for row in known}, provider)
        booked = [row["capture"] for row in self.app.rows("LedgerTable") if row["pk"] == name]
        expected = in_books or (None if cause else f"{name}#capture")
        self.assertEqual(booked, [expected] if expected else [])

    def test_a_payment_that_is_sent_twice_is_one_payment(self):
        first, second = [self.app.start("PaymentSaga", payment(), "twice") for _ in range(2)]
        self.assertEqual(first, second)
        self.assertEqual(self.app.ended(first)["status"], "SUCCEEDED")


if __name__ == "__main__":
    unittest.main()
