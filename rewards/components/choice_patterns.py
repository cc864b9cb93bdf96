"""Patterns of the words around a choice: they mean it, deny it, doubt it, take it back, or name one of
several."""

import re

BOX = re.compile(r"\\{1,2}(?:fbox|boxed)\s{0,3}\{")
TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
MARKUP = re.compile(
    r"\\{1,2}(?:text(?:bf|it|rm|sf|tt|up)?|mathrm|mathbf|mathit|mathsf|mbox|hbox|bf|rm|it|left"
    r"|right|quad|qquad)(?![A-Za-z])"
    r"|\\{1,2}[()\[\] ,;:!]|~~[^~\n]*~~|[{}$*`_~]|&nbsp;"
)
NAME = r"(?:(?:the|option|choice|letter|answer|alternative|statement|number|label)[\s:]++)"
SURE = (
    r"(?:(?:of\s+course|definitely|clearly|certainly|probably|likely|most|simply|just|indeed"
    r"|therefore|thus|hence|so|then|again"
    r"|obviously|surely|final|correct|right|best|yes|must|is|it's|it|that's|that|be|as|follows)\b[\s,:]*+)"
)
REASON = re.compile(
    r"\b(?:because|since|as|for|while|whereas|but|not|rather|than|instead|unlike|over|which|where"
    r"|if|due|given|although|though|"
    r"except|whose|so|with|whenever|when|after|by)\b|n['’]t\b|[.;!?\n]",
    re.IGNORECASE,
)
DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|neither|nor|no\s+longer|cannot|eliminat\w*|exclud\w*|reject\w*|discard\w*"
    r"|except(?:\s+for)?|without|besides)|n['’]t"
    r"|\b(?:anything|everything|all|any|nothing)\s+but|\b(?:other|rather|different)\s+(?:than|from)"
    r"|\binstead\s+of"
    r"|\brul\w+\s+out|\bwrong(?:\s+\w+){0,2}\s+is|\\neg?|¬|!=|≠|(?<!\w)!)[\s:,(\"'\[]*"
    rf"(?:(?:be|is|it|it's|an|a|{NAME})[\s:,(\"'\[]*){{0,4}}$",
    re.IGNORECASE,
)
DENIED_AFTER = re.compile(
    r"[\s)\]\"'.:,]{0,4}(?:\?|(?:which\s+)?(?:is|was|are|can|could|would|does|has|do)(?:\s?n['’]t"
    r"|not|\s+not|\s+never)\b"
    r"|(?:which\s+)?(?:is|was|are|seems|looks)\s+(?:\w+\s+)?(?:wrong|incorrect|false|invalid"
    r"|impossible|ruled|eliminated|excluded|out|untrue)\b"
    r"|(?:\(|,\s*|-\s*)?(?:wrong|incorrect|no|nope)\b(?!\s+(?:doubt|question|other)))",
    re.IGNORECASE,
)
CONDITION = re.compile(
    r"\b(?:if|whether|suppose|supposing|assume|assuming|unless|consider|claims|thinks|says)\b[^.,\n]{0,40}$",
    re.I,
)
DOUBT = (
    r"^[\s)\],]*(?:if|unless|when|provided|assuming|depending|maybe|perhaps|possibly)\b|\b(?:could"
    r"|might|may)\s+(?:also|equally|as\s+well)\b|\bnot\s+sure\b"
    r"|\bor\s+(?:maybe|perhaps|possibly|rather)\b|\bi\s+mean\b|\bcorrection\b|\bmake\s+that\b"
    r"|\bnow\s+(?:it|i)\b|\bwith\s+probability\b"
    r"|\bin\s+(?:some|certain|most)\b|\bfor\s+now\b|\b(?:some|most)times\b"
    r"|^[^.!?\n]{0,60}\b(?:maybe|perhaps|possibly)\b"
    r"|^[\s)\],]*(?:or\b|etc\b|and\s+(?!not\b|so\b(?!\s+on)|thus\b|therefore\b|hence\b|this\b|it\b"
    r"|that\b|the\b))"
    r"|^[\s)\],]*(?:\.{2,}|…|at\s+(?:most|least)\b"
    r"|exclu\w+|onwards?\b)"
)
REOPENED = re.compile(
    r"(?:^|[.!?;\n…—-])[\s*,(]*(?:no\b|either\b|nope|wait|actually|hmm|scratch|correction"
    r"|on\s+second|alternatively|or\b|maybe|perhaps|possibly"
    r"|however|hold\s+on|oops|sorry|(?:just\s+)?kidding|never\s*mind|not\s+sure|i\s+was\s+wrong"
    r"|that(?:'s|\s+is)\s+(?:wrong|not|incorrect))"
    rf"|{DOUBT}",
    re.IGNORECASE,
)
DOUBTED = re.compile(DOUBT, re.IGNORECASE)
ASKED = (
    r"(?:\b(?:(?:answers?|choice|solution|pick|selection|guess|ans"
    r"|key)(?:,?\s+(?-i:[a-z']+)){0,6}?,?|option)\s*"
    r"(?:\bis\b|\bwould\s+be\b|\bmust\s+be\b|\bshould\s+be\b|\bhas\s+to\s+be\b|\bisn['’]t"
    r"|(?<=[a-z])['’]s\b|:|=>?|->|→|⇒)+"
    r"|\b(?:choos(?:e|ing)|pick(?:ing)?|select(?:ing)?|go(?:ing)?\s+with|settl(?:e|ing)\s+on"
    r"|opt(?:ing)?\s+for|commit\s+to)\b"
    r"|\b(?:answer|ans)\s*(?=[(\[]\w{1,5}[)\]])|\b(?:answer|ans)\s*[.–—-](?=["
    r" \t]*[(\[*]{0,3}\w{1,5}[)\]*.]{0,3}[ \t]*$)"
    r"|(?:^|\n)\s{0,3}A:(?=\s))"
)
OPERATOR = re.compile(r"\s?(?:[\^+*/\\<>∨∪∩⊕…'’]|xor\b|[-−]\d)")
"""Signs that make a letter part of a formula: it is no label then."""
UNASKED = re.compile(
    r"n['’]t$|\b(?:wrong|incorrect|least|worst|opposite|false|bad|poor|unlikely|second|third|other"
    r"|alternative|backup)\b[\w\s]{0,20}$"
    r"|(?:\bnot|n['’]t|\bnever|\bhardly|\bcannot|(?<!no\s)(?<!without\s)\bdoubt\w*|\brefus\w+"
    r"|\bavoid\w*|\bdeclin\w+|\bdeny|\bden\w+)\b[\w\s]{0,30}$",
    re.IGNORECASE,
)
"""Words that turn "the answer is" around: "I do not think the answer is", "the wrong answer is"."""
PHRASE = re.compile(ASKED, re.IGNORECASE | re.MULTILINE)
GOES_ON = re.compile(
    r"\s+(?!because\b|since\b|as\b|or\b|and\b|for\b|but\b|not\b|rather\b"
    r"|is (?:the |clearly |definitely )?(?:right|correct|best|answer)\b)[a-z]"
)
JOINED = (
    r"(?:(?:\b(?:or|and|maybe|perhaps|possibly|alternatively|either|both|to|through|also|plus|minus"
    r"|then|else|otherwise|nor|vs|versus"
    r"|as\s+well\s+as|(?:along\s+|together\s+)?with|followed\s+by)\b|\\(?:lor|vee|cup|cap|land"
    r"|wedge|to)\b|[/,|&+<>=→⇒–—-]"
    r"|[.;](?=\s*(?:\(?\w\)?\W*$|(?:also|or|and|maybe|perhaps)\b)))\s*)+"
)
HASH = re.compile(r"^[ \t]{0,3}#{4,6}[ \t]*([^\n]*)$", re.MULTILINE)
LEADS = re.compile(
    r"(?:\b(?:is|be|matches|to|gives|with|so|thus|hence|therefore|that's|yields|means|implies"
    r"|namely)\b|[:=,→⇒])[\s,:]*"
    rf"(?:{NAME})*[(\[]?$",
    re.IGNORECASE,
)
