# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said about a scene of world.py: its caption, and questions with
their answers."""

from world import (COLOURS, DIRECTIONS, NUMBERS, PATTERNS, PLACES, PLAIN,
                   PLURAL, SHAPES, UNKNOWN)


def noun(g, count=None, size=True):
    n = g["count"] if count is None else count
    words = ["a" if n == 1 else NUMBERS[n]]
    if size:
        words.append(g["size"])
    words += [g["colour"], g["shape"] if n == 1 else PLURAL[g["shape"]]]
    if words[0] == "a" and words[1][0] in "aeiou":
        words[0] = "an"
    return " ".join(words)


def place(g):
    return PLACES[tuple(g["cells"][0])]


def clause(g):
    s = "s" if g["count"] == 1 else ""
    at = " " + place(g) if g["count"] == 1 and g["act"] != "move" else ""
    if g["act"] == "still":
        return noun(g) + (" stays" if s else " stay") + " still" + at
    if g["act"] == "move":
        return noun(g) + f" move{s} " + DIRECTIONS[g["dir"]][2]
    return noun(g) + " " + g["act"] + ("es" if s and g["act"] == "vanish"
                                       else s) + at


def sentence(text):
    return text[0].upper() + text[1:] + "."


def ordered(scene):
    """Groups in the order of the caption, and those with an event."""
    rank = {c: i for i, c in enumerate(COLOURS)}
    shape = {s: i for i, s in enumerate(SHAPES)}
    key = lambda g: (rank[g["colour"]], shape[g["shape"]])
    calm = sorted((g for g in scene["groups"] if "at" not in g), key=key)
    events = sorted((g for g in scene["groups"] if "at" in g),
                    key=lambda g: g["at"])
    return calm, events


def caption(scene):
    if scene["type"] == "pattern":
        return PATTERNS[scene["name"]][1]
    if scene["type"] == "texture":
        return UNKNOWN
    calm, events = ordered(scene)
    parts = [clause(g) for g in calm]
    parts += [("then " if i else "") + clause(g) for i, g in enumerate(events)]
    return sentence("; ".join(parts))


def questions(scene, rng):
    """[(attribute, question, answer)] for one scene, in no special order."""
    col = rng.choice(("colour", "colour", "color"))
    q = []
    if scene["type"] != "shapes":
        plain = scene["type"] == "pattern" and scene["name"] in PLAIN
        name = f"The {scene['name']} pattern." \
            if scene["type"] == "pattern" else "None."
        q.append(("pattern", rng.choice((
            "Which test pattern is this?", "What test pattern is this?",
            "Is this a test pattern?")), name))
        q.append(("count", "How many shapes are there?", "None."))
        if plain:
            q.append(("colour", f"What {col} is the picture?",
                      scene["name"].capitalize() + "."))
        s = rng.choice(SHAPES)
        q.append(("presence", f"Is there a {s}?", "No."))
        q.append(("colour", f"What {col} is the {s}?", f"There is no {s}."))
        q.append(("order", "What happens first?", "Nothing happens."))
        return q
    groups = scene["groups"]
    calm, events = ordered(scene)
    movers = [g for g in calm if g["act"] == "move"]
    total = sum(g["count"] for g in groups)
    number = lambda n: "None." if n == 0 else NUMBERS[n].capitalize() + "."
    of_shape = {s: [g for g in groups if g["shape"] == s] for s in SHAPES}
    of_colour = {c: [g for g in groups if g["colour"] == c] for c in COLOURS}
    q.append(("count", rng.choice(("How many shapes are there?",
                                   "How many shapes do you see?",
                                   "How many shapes are in the video?")),
              number(total)))
    q.append(("background", f"What {col} is the background?",
              scene["bg"].capitalize() + "."))
    absent = [s for s in SHAPES if not of_shape[s]]
    s = rng.choice(absent)
    q.append(("presence", f"Is there a {s}?", "No."))
    if rng.random() < .4:
        s = rng.choice(absent)
        q.append(rng.choice((
            ("colour", f"What {col} is the {s}?", f"There is no {s}."),
            ("motion", f"Which way does the {s} move?",
             f"There is no {s}."))))
    g = rng.choice(groups)
    shape_n = sum(x["count"] for x in of_shape[g["shape"]])
    many = PLURAL[g["shape"]]
    q.append(("presence", f"Is there a {g['shape']}?", "Yes."))
    q.append(("count", f"How many {many} are there?", number(shape_n)))
    if rng.random() < .3:
        c, s = rng.choice(list(COLOURS)), rng.choice(SHAPES)
        n = sum(x["count"] for x in groups if (x["colour"], x["shape"])
                == (c, s))
        q.append(("count", f"How many {c} {PLURAL[s]} are there?", number(n)))
    else:
        q.append(("count", f"How many {g['colour']} {many} are there?",
                  number(g["count"])))
    for g in groups:
        one = g["count"] == 1
        the = g["shape"] if one else PLURAL[g["shape"]]
        is_, does = ("is", "does") if one else ("are", "do")
        if len(of_shape[g["shape"]]) == 1:
            q.append(("colour", f"What {col} {is_} the {the}?",
                      g["colour"].capitalize() + "."))
            ref = rng.choice((the, f"{g['colour']} {the}"))
        else:
            ref = f"{g['colour']} {the}"
        if len(of_colour[g["colour"]]) == 1:
            if one:
                q.append(("shape", rng.choice((
                    f"What shape is {g['colour']}?",
                    f"Which shape is {g['colour']}?",
                    f"What is the {g['colour']} shape?")),
                    f"A {g['shape']}."))
            else:
                q.append(("shape", f"Which shapes are {g['colour']}?",
                          PLURAL[g["shape"]].capitalize() + "."))
        q.append(("size", f"{is_.capitalize()} the {ref} small or large?",
                  g["size"].capitalize() + "."))
        if g["act"] == "move":
            ans = DIRECTIONS[g["dir"]][2]
            ans = sentence(ans)
        else:
            ans = "It stays still." if one else "They stay still."
        if "at" not in g:
            q.append(("motion", rng.choice((
                f"Which way {does} the {ref} move?",
                f"Where {does} the {ref} go?",
                f"In which direction {does} the {ref} move?",
                f"Which direction {does} the {ref} move?")), ans))
        if one and g["act"] != "move":
            q.append(("position", f"Where is the {ref}?", sentence(place(g))))
    q.append(("motion", rng.choice(("Is anything moving?",
                                    "Does anything move?")),
              "Yes." if movers else "No."))
    q.append(("motion", rng.choice(("What moves?", "What is moving?")),
              sentence(" and ".join(noun(g, size=False) for g in movers))
              if movers else "Nothing."))
    for act in ("appear", "vanish"):
        which = [g for g in events if g["act"] == act]
        if act == "vanish":
            text = rng.choice(("What vanishes?", "What disappears?"))
        else:
            text = "What appears?"
        q.append(("event", text, sentence(
            " and ".join(noun(g, size=False) for g in which))
            if which else "Nothing."))
    q.append(("order", "What happens first?", sentence(clause(events[0]))
              if events else sentence(clause(movers[0])) if movers
              else "Nothing happens."))
    if len(events) > 1:
        q.append(("order", "What happens last?",
                  sentence(clause(events[-1]))))
    if rng.random() < .15:
        q.append(("pattern", "Which test pattern is this?", "None."))
    return q


def lookups(scene, rng):
    """Further questions of the same form as questions(): one names a shape,
    a colour or both, and what it asks can only be told by finding it. The
    wrong ones are near misses, put together from what is in the clip."""
    col = rng.choice(("colour", "colour", "color"))
    article = lambda text: ("an " if text[0] in "aeiou" else "a ") + text
    yes = lambda right: "Yes." if right else "No."
    groups = scene["groups"] if scene["type"] == "shapes" else []
    here = {(g["colour"], g["shape"]) for g in groups}
    shapes = {s for _, s in here}
    q = [("presence", f"Is there a {s}?", yes(s in shapes))
         for s in rng.sample(SHAPES, 3)]
    missing = rng.choice([s for s in SHAPES if s not in shapes])
    q.append(("colour", f"What {col} is the {missing}?",
              f"There is no {missing}."))
    pairs = [(g["colour"], g["shape"]) for g in groups]
    if groups:
        c, s = rng.choice(pairs)
        pairs.append((c, missing))
        pairs.append((rng.choice(list(COLOURS)), s))
        pairs += [(g["colour"], s) for g in groups]
    else:
        pairs.append((rng.choice(list(COLOURS)), missing))
    right = [p for p in pairs if p in here]
    wrong = [p for p in pairs if p not in here]
    for some in (right, wrong):
        if some:
            c, s = rng.choice(some)
            q.append(("yes or no", f"Is there {article(f'{c} {s}')}?",
                      yes((c, s) in here)))
    for g in groups:
        if g["count"] > 1 or sum(s == g["shape"] for _, s in here) > 1:
            continue
        c = g["colour"]
        if rng.random() < .5:
            c = rng.choice([c for c in COLOURS if c != g["colour"]] +
                           [x["colour"] for x in groups
                            if x["colour"] != g["colour"]] * 4)
        q.append(("yes or no", f"Is the {g['shape']} {c}?",
                  yes(c == g["colour"])))
        if "at" not in g:
            q.append(("yes or no", f"Does the {g['shape']} move?",
                      yes(g["act"] == "move")))
    rng.shuffle(q)
    return q
