"""The English that stands around answers: what denies, compares, hedges or computes, and what changes
nothing.

A word that is in none of these sets is read as a noun: right of a number it names what was counted, left of
one it makes the number something else than the answer (see :mod:`rewards.maths.prose`).
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DENIALS = _words(
    "not never no cannot cant neither nor without except excluding other rather unlike far hardly barely"
    " anything nothing opposite different wrong incorrect false invalid mistaken isn aren wasn weren don"
    " doesn didn won can't isn't aren't wasn't weren't don't doesn't didn't won't couldn't wouldn't shouldn't"
    " unequal unequals ain't aint nope nah nein impossible undefined tbd idk crossed too null scarcely fails"
    " fail failed contradicts contradict contradiction violates violated rejected reject rejects excluded"
    " excludes extraneous inadmissible unacceptable discarded eliminated insufficient inconsistent bogus"
    " unsatisfactory refuted disproved spurious unsolvable unreachable unattainable unsuitable contradictory"
    " exclude discard eliminate refuse mistake error omit dismiss trap distractor"
)
HEDGES = _words(
    "or maybe perhaps possibly probably presumably supposedly allegedly might may could either both if unless"
    " else otherwise alternatively alternative versus vs guess unsure uncertain unclear unknown doubt"
    " doubtful suppose assuming assume say something somewhere ish like conceivably potentially likely"
    " unlikely arguably but"
)
COMPARISONS = _words(
    "least most more less fewer greater larger smaller bigger higher lower above below under over exceed"
    " exceeds exceeding beyond within up until till than between near nearly close almost around about"
    " roughly approximately approx circa ca through past maximum minimum max min short shy odd plus-or-minus"
    " upwards downwards onwards tops inclusive exclusive strictly"
)
OPERATORS = _words(
    "half halves halved third thirds quarter quarters quartered fourth fourths fifth fifths sixth sixths"
    " seventh sevenths eighth eighths ninth ninths tenth tenths hundredth hundredths thousandth thousandths"
    " twice thrice double doubled triple tripled treble quadruple quadrupled times multiplied multiply"
    " product sum difference quotient ratio square squared squares cube cubed cubes root roots factorial"
    " factorials power powers exponent exponential logarithm log ln sin cos tan sec csc cot arcsin arccos"
    " arctan exp absolute negative minus plus inverse reciprocal mod modulo divided divide over increased"
    " decreased reduced increment decrement added add subtract subtracted raised choose remainder complement"
    " successor predecessor conjugate negated percentile fold twofold threefold tens hundreds thousands"
    " millions billions dozens out parts part base neg down mil mio mille grand bn thou up"
)
PROGRAMS = _words("print return lambda def import int float str eval exec fraction decimal round abs len pow")
SCALES = {
    "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "quadrillion": 10**15,
    "lakh": 10**5, "crore": 10**7, "dozen": 12, "score": 20, "gross": 144,
}  # fmt: skip
"""Words behind a number that multiply it."""
ONES = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
    "eighteen": 18,
    "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10,
    "eleventh": 11, "twelfth": 12, "sixteenth": 16, "twentieth": 20, "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
"""Ordinals as denominators."""
NUMBER_WORDS = frozenset(ONES) | frozenset(TENS) | frozenset(SCALES)

MODIFIERS = DENIALS | HEDGES | COMPARISONS | OPERATORS | PROGRAMS
"""Left of a number, each of them makes it another number, several, or none."""
_HARMLESS_BEHIND = _words(
    "but up down over past near within around about through odd till until out root roots square squares cube"
    " cubes sum difference product log power powers exponent add added like say some other different min max"
    " parts part"
)
MODIFIERS_BEHIND = MODIFIERS - _HARMLESS_BEHIND
"""Right of a number they do; the others are nouns there ("7 odd squares"), or come with a second number."""
COPULAS = _words(
    "is are was were be been being equals equal equalling has have had gives give gave get gets got make"
    " makes made cost costs earn earns earned need needs needed pay pays paid spend spends spent becomes"
    " become contains contain totals yields yield takes take took obtain obtains find finds found sells sold"
    " leaves left = : that's it's there's"
)
"""Verbs that say of their subject what it is, or how many it has."""
FILLERS = _words(
    "a an the then so thus hence therefore finally is are was equal equals to only exactly just simply"
    " precisely also now we get have be total value amount answer result final of number positive it that's"
    " it's its altogether indeed in fact here = : there overall him her them us me us$ usd"
)
"""Words before a number that leave it as it is. "of" is one only behind a noun of :data:`NOUNS_OF`."""
NOUNS_OF = _words(
    "total value amount average mean median mode cost price profit distance length width height area volume"
    " speed rate answer number maximum minimum count score age weight temperature probability chance"
    " percentage"
)
BOUND_BY = {
    "by": _words("given represented denoted"),
    "to": _words(
        "equal equals equivalent comes come amounts amount simplifies simplify reduces evaluates leads"
        " corresponds converges rounds rounded sums sum adds add totals out"
    ),
    **dict.fromkeys(("than", "from", "per", "with"), frozenset[str]()),
}
"""Words that tie a number to what stands before them, unless that is one of these: "divisible by 7", "close
to 7"."""
REASONS = _words("because since as where thanks due given")
"""Words that begin a clause which explains and answers nothing."""
CONFIRMING = _words(
    "the our my correct right final answer result required desired number value total what we want only"
    " unique solution solutions"
)
"""Words that "42 is ..." may go on with."""
PREPOSITIONS = _words("for of in on at by from with into onto through among between during")
"""No unit begins or goes on with one: "5 for each" is prose."""
SUPPOSITIONS = _words(
    "suppose supposing assume assuming imagine pretend let let's if unless says said say claims claimed"
    " thinks thought believes believed guesses guessed told according hypothetically supposedly rumour rumor"
    " alleges alleged"
)
"""Before "is", they make what is said somebody else's, or a supposition."""
FUNCTIONS = _words(
    "sin cos tan sec csc cot log ln exp sqrt pi mod arcsin arccos arctan sinh cosh tanh max min gcd lcm"
    " deg det"
)
SHORT_WORDS = _words(
    "or and not is are was the of to in on at by for if no yes it so as an be he she we us me my up all one"
    " two six ten out off per any odd but has had its our few too you his her who why how now can may see get"
    " got let say try use via etc nor yet am pm ish dne nan inf day mph kph ago old new net sum cup box bag"
    " man men kid dog cat car bus pen book row set"
)
"""Words of two or three letters, which are else read as products of variables."""
MONTHS = {
    "january": 1, "jan": 1, "february": 2, "feb": 2, "march": 3, "mar": 3, "april": 4, "apr": 4, "may": 5,
    "june": 6, "jun": 6,
    "july": 7, "jul": 7, "august": 8, "aug": 8, "september": 9, "sept": 9, "sep": 9, "october": 10, "oct": 10,
    "november": 11,
    "nov": 11, "december": 12, "dec": 12,
}  # fmt: skip
BASES = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12,
    "sixteen": 16, "binary": 2, "octal": 8, "decimal": 10, "hex": 16,
}  # fmt: skip
