"""Tells whether the first line of a docstring is a sentence with a verb."""

import re

# Verbs that docstrings begin with, in the third person: "Returns ...". A verb that is
# missing here may be added; a plural noun may not.
VERBS = frozenset(
    """
    accepts accumulates acts adapts adds adjusts advances aligns allocates allows
    appends applies arranges asks assembles assigns averages balances begins bends
    blends bounds breaks brings broadcasts builds calls captures carries casts catches
    centres changes checks chooses clips closes collapses collects combines comes
    compares compiles completes composes compresses computes concatenates connects
    consists contains continues converts copies corrects corresponds counts covers
    creates crops cuts decides declares decodes decreases defines deletes denormalises
    depends derives describes detects determines differentiates discards divides does
    doubles downloads draws drives drops encodes ends ensures enters equals estimates
    evaluates exchanges executes expands expects explains exports expresses extends
    extracts fails feeds fetches fills filters finds fits fixes flags flattens flips
    flushes folds follows forces forgets formats forms freezes fuses gathers generates
    gets gives goes groups grows guards guesses halves handles has holds identifies
    imports increases indicates inherits initialises initializes inserts installs
    integrates interpolates interprets inverts is iterates joins keeps knows labels
    lays leaves lets lies lifts limits lists loads locates locks logs looks loses
    makes maps marks masks matches means measures meets merges minimises minimizes
    mirrors mixes models moves multiplies names needs normalises normalizes numbers
    offers opens orders overlays packs pads paints parses partitions pastes performs
    permutes picks places plans points poses predicts prepares prints projects
    propagates provides publishes pulls pushes puts queues raises randomises ranks
    reaches reads receives recognises recomputes reconstructs records recovers reduces
    refers refines refuses registers rejects releases remembers removes renames
    renders renews reorders repeats replaces reports represents resamples resets
    reshapes resizes resolves restores resumes retargets retries returns rewrites
    rotates rounds runs samples saves says scales scans scatters scores searches seeds
    selects sends separates serves sets shapes shares shifts ships shows shrinks
    shuffles simulates skips smooths solves sorts spans specifies splits spreads
    squeezes stacks standardises stands starts states stays steps stitches stops
    stores streams subtracts sums supplies supports swaps takes tells tests times
    tracks trains transforms translates transposes traverses tries triggers turns
    undoes unifies unpacks updates uses validates varies verifies visits waits walks
    warms warps works wraps writes yields zeroes
    """.split()
)
# Those of them that are plural nouns as well: behind a subject they are not taken for
# the verb, and before a preposition they are taken for the noun.
_AMBIGUOUS = frozenset(
    """
    acts averages blends bounds breaks calls captures casts centres changes checks
    clips counts covers crops cuts draws drops ends estimates exports expresses feeds
    fits fixes flags flips folds forces forms groups guards guesses halves handles
    imports increases joins labels lies lifts limits lists loads locates locks logs
    maps marks masks matches measures mixes models moves names numbers offers orders
    overlays packs pads places plans points poses prints projects pulls queues ranks
    records reports resets rounds samples saves scales scans scores searches seeds
    sets shapes shares shifts spans splits spreads stacks states steps stops stores
    streams sums supplies supports swaps tests times tracks trains transforms tries
    turns visits walks warps works wraps
    """.split()
)
_PREPOSITIONS = frozenset(
    "of on in for over under between against beside per by that which who".split()
)
# Those that are verbs before "that".
_BEFORE_CLAUSES = frozenset("checks estimates reports states tests".split())
_AUXILIARIES = frozenset(
    """
    agree are be become becomes can cannot could did do does give go had has have hold
    is lie live make may might must need read say shall share should stand take tell
    was were will would
    """.split()
)  # fmt: skip
_OPENERS = frozenset(
    """
    as because how if so than that until what whatever when where whether which while
    who whom whose why
    """.split()
)
# A line that begins with one of these goes on from a name that it does not repeat.
FRAGMENTS = frozenset("of as with by in from for to".split())


def summary(docstring: str) -> str:
    """Returns the first paragraph of a docstring in one line."""
    return " ".join(docstring.strip().split("\n\n")[0].split())


def offence(line: str) -> str:
    """Returns what is wrong with the first line of a docstring, or an empty string.

    It may begin with a verb of `VERBS`, as in "Returns the mode."; or it has a subject
    and a finite verb. Text behind a colon or a semicolon does not count, nor does the
    verb of a relative clause: "What a run writes: one table." is not a sentence.
    """
    # Code and what stands in brackets is no part of the grammar.
    text = re.sub(r"`[^`]*`", "name", line)
    text = re.sub(r"\([^)]*\)|\[[^\]]*\]", "", text)
    clause = re.split(r"[:;]|\.\s", text)[0]
    words = re.findall(r"[a-zA-Z][\w'-]*", clause.lower())
    if not words:
        return "has no words"
    if words[0] in FRAGMENTS:
        return f"begins with {words[0]!r}"
    if words[0] in VERBS:
        follower = words[1] if len(words) > 1 else "of"
        is_noun = words[0] in _AMBIGUOUS and follower in _PREPOSITIONS
        if follower == "that" and words[0] in _BEFORE_CLAUSES:
            is_noun = False
        return "begins with a noun" if is_noun else ""
    finite = (VERBS - _AMBIGUOUS) | _AUXILIARIES
    verbs = sum(word in finite for word in words[1:])
    openers = sum(word in _OPENERS for word in words)
    return "" if verbs > openers else "has no verb in its main clause"
