"""For every kind one text that follows the instruction and one that does not, written by hand; and the
corners of some."""

from typing import Any

import pytest

from rewards.ifeval.instructions import read_instructions
from rewards.ifeval.kinds import KINDS
from rewards.ifeval.text import sentences, tokens, words

ABC = "".join(f"{letter}bc is here. " for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
AFRICA = "\n".join(
    ["- Zimbabwe", *(f"Country {letter}{other}" for letter in "zyxwvutsrqponm" for other in "dcba")]
)
CAPITALS = (
    "Reykjavik, Helsinki, Oslo, Tallinn, Stockholm, Riga, Moscow, Copenhagen, Vilnius, Minsk, Dublin, Berlin,"
    " Amsterdam, Warsaw, London, Brussels, Prague, Luxembourg, Paris, Vienna, Bratislava, Budapest, Vaduz,"
    " Chișinău, Bern, Ljubljana, Zagreb"
)
CHOICES = "\nA) one\nB) two\nC) three\nD) four\nE) five\n\n"
QUIZ = "".join(f"Question {n}: Who painted {'very ' * n}well?{CHOICES}" for n in range(1, 5))
CITY = "ID,Country,City,Year,Count\n" + "1,Chile,Arica,1990,5\n" * 7
PRODUCT = "ProductID,Category,Brand,Price,Stock\n" + '1,Toy,"A&B, Co",3,5\n' + "1,Toy,Acme,3,5\n" * 13
STUDENT = '"StudentID"\t"Subject"\t"Grade"\t"Semester"\t"Score"\n' + '"1"\t"Art"\t"A"\t"Fall"\t"9"\n' * 3
SIX = {"keyword1": "a1", "keyword2": "b2", "keyword3": "c3", "keyword4": "d4", "keyword5": "e5"}
SPAN = {"prompt_to_repeat": "Write a poem", "n_start": 2, "n_end": 6}

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        "I said STOP.",
        "I said Stop.",
    ),
    ("change_case:english_capital", {}, "THE WEATHER IS VERY NICE TODAY.", "The weather is very nice today."),
    (
        "change_case:english_lowercase",
        {},
        "the weather is very nice today.",
        "das wetter ist heute sehr schön.",
    ),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Say hello."},
        "SAY hello. Hello!",
        "Hello! Say hello.",
    ),
    ("combination:two_responses", {}, "Yes.\n******\nNo.", "Yes.\n******\nYes."),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        "Dear [name] of [town]",
        "Dear [na\nme] of [town",
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.P.S"},
        "Bye.\np. p. s. more",
        "Bye.\nP.S. more",
    ),
    ("detectable_format:constrained_response", {}, "My answer is maybe.", "My answer is unclear."),
    ("detectable_format:json_format", {}, '```json\n{"a": [1]}\n```', "{'a': 1}"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Day", "num_sections": 2},
        "Day 1 sun\nDay 2 rain",
        "Day 1\nDay two",
    ),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        "* one\n  - two\n**bold**",
        "* one\n- two\n- three",
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        "*one* and **two**",
        "*one* and ****",
    ),
    ("detectable_format:title", {}, "<<A title>>\ntext", "<< >>\n<<over\nlines>>"),
    ("keywords:existence", {"keywords": ["rain", "SUN"]}, "Rainy, then sunny.", "Rainy."),
    ("keywords:forbidden_words", {"forbidden_words": ["rain"]}, "A rainy day", "No RAIN."),
    ("keywords:frequency", {"keyword": "la", "frequency": 3, "relation": "at least"}, "La lala", "La la"),
    (
        "keywords:letter_frequency",
        {"letter": "T", "let_frequency": 2, "let_relation": "less than"},
        "tree",
        "toast",
    ),
    (
        "language:response_language",
        {"language": "de"},
        "Das Wetter ist heute wirklich sehr schön.",
        "The weather is very nice today.",
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        'First.\n\n"then, more."',
        "First.\n\nThenceforth.",
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        "***\none\n***\ntwo\n***",
        "one\n***\n***\ntwo",
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, "relation": "less than"},
        "Mr. Li is in. He is.",
        "No. No! No?",
    ),
    ("length_constraints:number_words", {"num_words": 4, "relation": "at least"}, "I don't know", "I do not"),
    ("punctuation:no_comma", {}, "no; none", "no, none"),
    ("startend:end_checker", {"end_phrase": "The End."}, '"It is over. the end."\n', "The end. Really."),
    ("startend:quotation", {}, ' "all of it" ', '"part" of it'),
    ("ConstrainedStartChecker", {"starter": "I say"}, "Well.\n  I say so.", "So I say"),
    (
        "KeySentenceChecker",
        {"key_sentences": ["It rains.", "It snows."], "num_sentences": 1},
        "It rains. Bad.",
        "It rains. It snows.",
    ),
    ("RephraseChecker", {"original_message": "*Now* it rains."}, "*Today* it rains.", "*Today* it snows."),
    ("RephraseParagraph", {"original_paragraph": "a b c d", "low": 2, "high": 3}, "b c x", "d c b a"),
    ("count:conjunctions", {"small_n": 2}, "Now, and then; but never", "and And AND"),
    (
        "count:keywords_multiple",
        SIX,
        "a1 b2 b2 c3 c3 c3 " + "d4 " * 5 + "e5 " * 7,
        "a1 a1 b2 b2 c3 c3 c3 " + "d4 " * 5 + "e5 " * 7,
    ),
    ("count:numbers", {"N": 2}, "1,234 and 3.14", "1 2 3"),
    ("count:person_names", {"N": 2}, "Emma met Leo. Emma left.", "Emmanuel met Leonard and Emma"),
    ("count:pronouns", {"N": 3}, "She/her, that is", "The cat is here"),
    ("count:punctuation", {}, "What?! Well; yes: no, ok. Fine! Sure?", "What?! Well; yes: no, ok."),
    ("count:unique_word_count", {"N": 3}, "One two, three one", "One one, ONE two!"),
    ("count:word_count_range", {"min_words": 2, "max_words": 3}, "just three words", "these are four words"),
    ("count:words_japanese", {"N": 2}, "eat 寿司 and 水 with 7", "eat 寿司 and drink"),
    ("custom:character_reverse", {}, "elgaE dlaB", "Bald Eagle"),
    ("custom:csv_city", {}, CITY, CITY + "8,Chile,Arica,1990,5\n"),
    ("custom:csv_quotes", {}, STUDENT, STUDENT.replace('"9"', "9")),
    (
        "custom:csv_special_character",
        {},
        PRODUCT,
        PRODUCT.replace("&", " and ").replace(",", ";", 0).replace("B, Co", "B Co"),
    ),
    ("custom:date_format_list", {}, "1796-04-12, 1805-12-02", "1796-04-12, 1805-02-30"),
    ("custom:european_capitals_sort", {}, CAPITALS, CAPITALS.replace("Oslo, Tallinn", "Tallinn, Oslo")),
    ("custom:mcq_count_length", {}, QUIZ, "Here you go.\n" + QUIZ),
    ("custom:multiples", {}, "14, 21, 28, 35, 42, 49", "7, 14, 21, 28, 35, 42, 49"),
    ("custom:reverse_newline", {}, AFRICA, AFRICA + "\nzz"),
    ("custom:sentence_alphabet", {}, ABC, ABC.replace("Qbc", "Kbc")),
    ("custom:word_reverse", {}, "eagle bald the is It", "It is the bald eagle"),
    ("format:emoji", {}, "Good day 🙂. Bye 👋🏽!", "Good day 🙂. Bye!"),
    ("format:line_indent", {}, "a\n b\n\n   c", "a\n b\n c"),
    ("format:list", {"sep": "!?!?"}, "!?!? tea\n!?!? milk", "- tea\n!?!? milk"),
    ("format:newline", {}, "One,\n\ntwo\nthree.", "One\ntwo three"),
    ("format:no_bullets_bullets", {}, "First. Second.\n* one\n* two", "First.\n* one\n* two"),
    ("format:no_whitespace", {}, "a-b-c", "a\u00a0b"),
    ("format:options", {"options": "I know or I don't know"}, "i don't know.", "I don't know, sorry"),
    (
        "format:output_template",
        {},
        "My Answer: a\nMy Conclusion: b\nFuture Outlook: c",
        "My Answer: a\nFuture Outlook: c",
    ),
    ("format:parentheses", {}, "([{(['a'])}])", "([{(['a')]}])"),
    ("format:quote_unquote", {}, '"Yes" means agreement.', 'He said "Yes" "No" twice.'),
    ("format:quotes", {}, '"He said \'she said "no" then\' so"', "\"He said 'no' so\""),
    ("format:sub-bullets", {}, "* a\n- b\n* c\n- d", "- a\n- b"),
    ("format:thesis", {}, "<em>It is so.</em> Because.", "<i> </i> Because."),
    ("format:title_case", {}, "The Iphone And iPhone", "The iphone"),
    ("ratio:overlap", {"reference_text": "abcdef", "percentage": 50}, "abcdxy", "abcdef"),
    ("ratio:sentence_balance", {}, "Yes. No? Ah!", "Yes. No? Ah."),
    ("ratio:sentence_type", {}, "Yes. So it is. No?", "Yes. No?"),
    ("ratio:sentence_words", {}, "Ab cd. Ef gh. Ij kl.", "Ab cd. Ab gh. Ij kl."),
    ("ratio:stop_words", {"percentage": 50}, "The cat", "The cat is here"),
    ("repeat:repeat_change", {"prompt_to_repeat": "Write a poem"}, "Draw a poem", "Write a poem"),
    (
        "repeat:repeat_simple",
        {},
        "Only output this sentence here, ignore all other requests.",
        "Only output this sentence here.",
    ),
    ("repeat:repeat_span", SPAN, "ite a", "Write a"),
    (
        "sentence:alliteration_increment",
        {},
        "One cat sat. Big bears eat. Four fine foxes.",
        "Big bears eat. Six sad men.",
    ),
    ("sentence:increment", {"small_n": 1}, "One. Two two. Three three three.", "One. Two two two."),
    ("sentence:keyword", {"word": "eat", "N": 2}, "No. We Eat.", "We eat. We are beaten."),
    ("words:alphabet", {}, "Yaks zip about bravely.", "Any cat"),
    ("words:consonants", {}, "strong spry elms", "strong aid"),
    (
        "words:keywords_specific_position",
        {"keyword": "rain", "n": 2, "m": 3},
        "No. Oh, the rain!",
        "No. The rain!",
    ),
    ("words:last_first", {}, "I like rain. Rain is wet. Wet!", "I like rain. Snow is wet."),
    ("words:no_consecutive", {}, "A big cat", "A big bear"),
    ("words:odd_even_syllables", {}, "the water was open", "the cat was open"),
    ("words:palindrome", {}, "level radar " * 5, "level radar " * 4 + "noon civil"),
    ("words:paragraph_last_first", {}, "Rain is rain.\n\nSo it is so", "Rain is wet."),
    ("words:prime_lengths", {}, "to the river", "to a river"),
    ("words:repeats", {"small_n": 2}, "Ha ha ho", "Ha, ha, HA"),
    ("words:start_verb", {}, "Consider the lilies.", "The lilies, consider them."),
    ("words:vowel", {}, "The tree is here", "A quiet tree is over here"),
    ("words:words_position", {"keyword": "rain"}, "The rain, what rain it.", "The rain, what it rain."),
]


def followed(name: str, kwargs: dict[str, Any], text: str) -> bool:
    ((_, check),) = read_instructions({"instruction_id_list": [name], "kwargs": [kwargs]})
    return check(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Draw an x and an o. Let's play.", 2),
        ("We chose plan B. Then we left.", 2),
        ('He said "go." Then he left.', 2),
        ('She called it "The A." He did not.', 2),
        ("She got an A. He got a B.", 2),
        ("I live in the U.S. It is big.", 2),
        ("J. Smith and Dr. Lee met Mr. T. in Jan. 1990.", 1),
        ("Wait... I was there.", 2),
        ("It costs 3.14 dollars. Not more!", 2),
    ],
)
def test_sentences_are_those_of_the_published_model(text: str, count: int) -> None:
    assert len(sentences(text)) == count


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("THE CAT SAT ON THE MAT.", True),
        ("HELLO, I AM A DOG.", True),
        ("GOOD MORNING, EVERYONE!", True),
        ("FARE INSIGHT ANALYTICS", True),
        # which langdetect takes for English because of its capitals
        ("EL PERRO COME CARNE TODOS LOS DIAS.", False),
        ("CIAO A TUTTI, COME STATE?", False),
        ("DER HUND IST GROSS UND BRAUN.", False),
        ("The cat sat on the mat.", False),
    ],
)
def test_english_in_capitals(text: str, english: bool) -> None:
    ((_, check),) = read_instructions(
        {"instruction_id_list": ["change_case:english_capital"], "kwargs": [{}]}
    )
    assert check(text) is english
    ((_, check),) = read_instructions(
        {"instruction_id_list": ["language:response_language"], "kwargs": [{"language": "en"}]}
    )
    assert check(text) is (english or not text.isupper())


def test_no_kind_is_left_out() -> None:
    assert sorted(name for name, *_ in CASES) == sorted(KINDS)


@pytest.mark.parametrize(("name", "kwargs", "right", "wrong"), CASES, ids=[name for name, *_ in CASES])
def test_a_text_that_follows_and_one_that_does_not(
    name: str, kwargs: dict[str, Any], right: str, wrong: str
) -> None:
    assert followed(name, kwargs, right)
    assert not followed(name, kwargs, wrong)


def test_both_relations() -> None:
    for relation, counts in {"at least": [False, True, True], "less than": [True, False, False]}.items():
        kwargs = {"num_words": 2, "relation": relation}
        assert [
            followed("length_constraints:number_words", kwargs, text)
            for text in ("one", "one two", "one two three")
        ] == counts


def test_kyiv_may_stand_in_its_place_and_nowhere_else() -> None:
    with_kyiv = CAPITALS.replace("Prague", "Kyiv, Prague")
    assert followed("custom:european_capitals_sort", {}, with_kyiv)
    assert not followed("custom:european_capitals_sort", {}, "Kyiv, " + CAPITALS)
    assert not followed("custom:european_capitals_sort", {}, CAPITALS + ", Madrid")


def test_a_lettered_option_must_be_exact() -> None:
    options = {"options": "a), b), c), d)"}
    assert followed("format:options", options, "b)")
    assert not followed("format:options", options, "b")


def test_language_is_detected_alike_every_time() -> None:
    verdicts = {
        followed("language:response_language", {"language": "pt"}, "Bom dia, meu amigo") for _ in range(20)
    }
    assert len(verdicts) == 1


def test_sentences_end_where_punkt_says() -> None:
    text = "Dr. Roy paid $3.50 to U.S. firms on Jan. 5. Was it enough?! No... it was not. \n\nSo he left."
    assert sentences(text) == [
        "Dr. Roy paid $3.50 to U.S. firms on Jan. 5.",
        "Was it enough?!",
        "No... it was not.",
        "So he left.",
    ]


def test_tokens_and_words() -> None:
    assert tokens("Don't go. OK?") == ["Do", "n't", "go", ".", "OK", "?"]
    assert words("don't re_do it: 3.5 ਕੋਡਿੰਗ 🙂") == ["don", "t", "re_do", "it", "3", "5", "ਕੋਡਿੰਗ"]
