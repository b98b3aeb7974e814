# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo model's generator and scorer agree with each other.

    python3 -m unittest tests/demo_model/test_generate.py

Needs numpy and Pillow. Exits 77 without them.
"""

import collections
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "..", "models", "demo", "train"))
try:
    import numpy as np

    import generate as G
    import score
except ImportError as e:
    print("skipped:", e)
    sys.exit(77)


class Generator(unittest.TestCase):
    def scenes(self, n=300):
        rng = random.Random(11)
        return [G.make_scene(rng) for _ in range(n)]

    def test_every_caption_parses_into_its_scene(self):
        for s in self.scenes():
            got = score.parse(G.caption(s))
            key = lambda g: (g["colour"], g["shape"], g["size"], g["count"])
            self.assertEqual(sorted(map(key, got)),
                             sorted(map(key, s["groups"])))

    def test_the_label_itself_scores_full_marks(self):
        for s in self.scenes(100):
            t, bad = score.Table(), score.collections.Counter()
            score.score_caption(t, {"scene": s, "caption": G.caption(s)},
                                G.caption(s), bad)
            self.assertTrue(all(r == 1 for _, r, _ in t.rows()))

    def test_a_wrong_colour_costs_colour_only(self):
        text = "A small red circle moves up."
        s = {"type": "shapes", "groups": []}
        t, bad = score.Table(), score.collections.Counter()
        score.score_caption(t, {"scene": s, "caption": text},
                            text.replace("red", "blue"), bad)
        wrong = {k for k, r, _ in t.rows() if r < 1}
        self.assertEqual(wrong, {"caption: every word", "caption: colour"})

    def test_a_lookup_is_answered_as_the_scene_has_it(self):
        rng, yes = random.Random(12), collections.Counter()
        for s in self.scenes():
            pairs = {(g["colour"], g["shape"]) for g in s["groups"]}
            for kind, q, a in G.lookups(s, rng):
                words = q.rstrip("?").split()
                if kind == "colour":
                    self.assertEqual(a, f"There is no {words[-1]}.")
                    self.assertNotIn(words[-1], {s for _, s in pairs})
                elif words[:2] == ["Is", "there"]:
                    right = any(words[3:] in ([s], [c, s]) for c, s in pairs)
                    self.assertEqual(a, "Yes." if right else "No.", (q, s))
                elif words[0] == "Is":
                    self.assertEqual(
                        a, "Yes." if (words[3], words[2]) in pairs else "No.")
                yes[kind, a] += 1
        for kind in ("presence", "yes or no"):
            right, wrong = yes[kind, "Yes."], yes[kind, "No."]
            self.assertTrue(.25 < right / (right + wrong) < .75)

    def test_calibration_of_a_sure_and_of_a_wrong_model(self):
        rows, error = score.calibration([(1., True), (0., False)] * 5)
        self.assertEqual((len(rows), error), (2, 0))
        rows, error = score.calibration([(.75, False)] * 4 + [(.75, True)] * 4)
        self.assertEqual(rows[0][2:], (8, .75, .5))
        self.assertAlmostEqual(error, .25)

    def test_shapes_stay_inside_and_apart(self):
        for s in self.scenes():
            items = [i for g in s["groups"] for i in g["items"]]
            for i in items:
                for u in (0., .5, 1.):
                    x, y = G.where(i, u)
                    self.assertTrue(0 < x < 1 and 0 < y < 1)
            for k, a in enumerate(items):
                for b in items[:k]:
                    self.assertTrue(G.apart(a, b, s["aspect"]))

    def test_the_same_seed_draws_the_same_clip(self):
        one, two = (G.make_scene(random.Random(4)) for _ in "ab")
        self.assertEqual(one, two)
        a, b = ([np.asarray(f) for f in G.render(s, (0., .5, 1.), 160, 120)]
                for s in (one, two))
        self.assertTrue(np.array_equal(a, b))

    def test_an_event_lies_between_two_chosen_frames(self):
        for s in self.scenes():
            for g in s["groups"]:
                if "at" in g:
                    seen = [G.visible(g, i / 7) for i in range(8)]
                    self.assertIn(sum(seen), range(1, 8))
                    self.assertEqual(seen[0], g["act"] == "vanish")

    def test_frame_choice_is_numpy_linspace_and_repeats_the_last(self):
        self.assertEqual(G.frame_indices(100),
                         [0, 14, 28, 42, 56, 70, 84, 99])
        self.assertEqual(G.frame_indices(3), [0, 1, 2, 2, 2, 2, 2, 2])


if __name__ == "__main__":
    unittest.main()
