"""The page says what the numbers say: `python3 -m unittest discover benches`."""

import json
import unittest
from pathlib import Path

import table

HERE = Path(__file__).parent


def cell(peer, base, charts=table.CHARTS):
    """A cell of pairs that took these seconds."""
    return {"charts": charts, "kinds": {}, "pairs": [[[a, 100, 1, 10, 1, 1, 1, 1], [b, 200, 1, 10, 1, 1, 1, 1]] for a, b in zip(peer, base)]}


class Tables(unittest.TestCase):
    def test_the_page_is_made_of_the_results_beside_it(self):
        page = (HERE / "README.md").read_text()
        self.assertEqual(table.page(json.loads((HERE / "results.json").read_text()), page), page, "run benches/run --tables")

    def test_a_ratio_is_that_of_a_pair_and_scaled(self):
        self.assertEqual(table.ratios(cell([2, 6, 3], [1, 2, 3])), [1, 2, 3])
        self.assertEqual(table.ratios(cell([2], [4], charts=20)), [5])
        self.assertEqual(table.peer(cell([2], [4], charts=20))["requests"], 1000)
        self.assertEqual(table.base(cell([2], [4], charts=20))["requests"], 200)

    def test_goals_are_told_as_they_are(self):
        def told(**cells):
            return table.goals({("mirror", "cold", "20", "none", name.replace("_", " ")): cell(*times) for name, times in cells.items()})

        self.assertIn("1.05 × (1.00–1.10) | reached", told(ideal_client=([1, 1], [1.0, 1.1])))
        self.assertIn("1.20 × (1.20–1.20) | **missed**", told(ideal_client=([1], [1.2])))
        self.assertIn("oras: 0.90 × (0.90–0.90) | **missed**", told(oras=([9], [10]), crane=([30], [10]), ideal_client=([1], [10])))
        self.assertIn("crane: 3.00 × (3.00–3.00) | reached", told(crane=([30], [10])))

    def test_one_run_is_one_line(self):
        results = {"cells": {"a": cell([1], [2])}}
        self.assertIn("[1, 100, 1, 10, 1, 1, 1, 1],\n", table.dumps(results))
        self.assertEqual(json.loads(table.dumps(results)), results)


if __name__ == "__main__":
    unittest.main()
