"""Random names and values for generated conversations.

The tiny model must learn to copy what it has never seen, so names are built from words, from
syllables and from both: a pool that could be memorised would teach recall instead of copying.
"""

from __future__ import annotations

from random import Random


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


WORDS = words(
    """
    account alarm album anchor archive array asset atlas audio badge balance banner basket batch beacon
    billing binder block board booking border bridge bucket budget buffer bundle button cable cache calendar
    camera campaign canvas carrier cart catalog channel chart circuit claim client clock cloud cluster coach
    color column comet component compass config contact context contract copper core counter courier course
    coupon crate credit cursor customer daemon dash dataset deal decoder delta deposit desk device dialog
    digest dock domain draft driver echo editor element ember encoder engine entity entry envelope epoch
    event export fabric factory falcon feature feed fence field filter flag fleet flow folder forecast form
    fossil frame gadget galaxy garden gate gateway glacier graph grid group guard guest handler harbor
    header helper hook hotel hub icon image import index inbox input invoice island item jacket job journal
    kernel key label ladder lagoon layer layout lead ledger lens letter level library license light link
    listing loader locker log loop magnet mail manager map marble margin market matrix meadow member memo
    menu merchant message meter metric mirror mixer mode model module monitor motor nebula network node note
    notice number object offer office option orbit order outlet output owner package packet page palette
    panel parcel parser partner patch payment peer pepper permit phase phone photo pipeline pixel plan
    planet platform player plugin point policy pool port portal post preset price printer profile program
    project proxy pulse quarry query queue quota quote radar rail range record region registry relay release
    render report request reserve resource response retry review ribbon river robot role room root route
    router rule runner sample scanner schedule schema scope screen script seal search section sector segment
    sensor server service session shadow shard sheet shelf shift shipment signal sketch slot socket source
    spark sprite stage stamp station status stock store stream street studio style summary supplier survey
    switch symbol table tag target task team template tenant theme thread ticket timer token topic tower
    track trade train transfer trigger tunnel type unit update upload user valley value vault vector vendor
    version video view visit voucher wallet warden watcher wave weather widget window wizard worker zone
    """
)
VERBS = words(
    """
    add apply bind build cancel check clean close compute convert copy count create decode delete drop emit
    encode expand fetch fill find flush format get handle import init insert join load make mark merge move
    notify open pack parse pick print process publish push put reload remove rename render reset resolve run
    save scan send set sort split start stop store submit sync track transform trim update validate verify
    visit wrap
    """
)
SUFFIXES = words(
    """
    Adapter Base Builder Client Config Context Controller Error Event Factory Filter Form Handler Helper
    Info Item Loader Manager Mixin Model Node Parser Policy Proxy Queue Reader Record Registry Request
    Response Result Router Runner Schema Serializer Service Session Spec Store Task View Worker Writer
    """
)
FOLDERS = words(
    """
    src lib app core api tests docs data pkg tools services models utils web server config scripts internal
    common backend frontend plugins examples assets build
    """
)
EXTENSIONS = ("py",) * 9 + ("txt", "json", "md", "toml", "yaml", "csv", "js", "ts", "sql", "html", "log")
PEOPLE = words(
    """
    Ada Aiko Amara Anders Bela Bruno Carla Chen Dara Dmitri Elena Emeka Fatima Felix Greta Hana Ines Ivan
    Jonas Kaya Lars Leila Luca Mara Mika Nadia Noor Olga Omar Petra Priya Quinn Rosa Sami Sofia Tariq Tomas
    Uma Vera Wei Yara Yusuf Zoe
    """
)
CITIES = words(
    """
    Accra Athens Bergen Bogota Cairo Dakar Delhi Dublin Geneva Hanoi Kyoto Lagos Lima Lisbon Lyon Madrid
    Malmo Milan Nairobi Oslo Porto Prague Quito Riga Rome Seoul Sofia Tunis Turin Utrecht Vienna Warsaw
    Zagreb Zurich
    """
)
STATES = words(
    """
    open closed pending active failed ready queued done blocked draft paused running expired late shipped
    new low high medium critical stable
    """
)
_ONSETS = words(
    """
    b br c ch d dr f fl g gr h j k kl l m n p pl qu r s sh sk st t tr v w y z
    """
)
_VOWELS = words(
    """
    a e i o u ai ea io ou
    """
)
_CODAS = ("", "", "", "l", "m", "n", "r", "s", "t", "x", "nd", "rk", "sh")


def seeded(seed: int) -> Random:
    """A generator for text, where being repeatable is the point."""
    return Random(seed)  # noqa: S311


def coined(rng: Random) -> str:
    """A word that no dictionary has: one or two syllables."""
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
        for _ in range(1 + (rng.random() < 0.5))
    )


def word(rng: Random) -> str:
    """A lower-case word: mostly from the pools, sometimes coined."""
    roll = rng.random()
    if roll < 0.72:
        return rng.choice(WORDS)
    return rng.choice(VERBS) if roll < 0.8 else coined(rng)


def snake(rng: Random) -> str:
    """A snake_case name of one to four parts, sometimes private, sometimes with a digit."""
    parts = [word(rng) for _ in range(rng.choice((1, 2, 2, 2, 2, 3, 3)))]
    if rng.random() < 0.5:
        parts[0] = rng.choice(VERBS)
    name = "_".join(parts)
    if rng.random() < 0.07:
        name += rng.choice(("2", "3", "_v2", "_id", "_all", "s"))
    return "_" + name if rng.random() < 0.07 else name


def camel(rng: Random) -> str:
    """A CamelCase name."""
    parts = [word(rng).capitalize() for _ in range(rng.choice((1, 1, 2, 2)))]
    if rng.random() < 0.6 or len(parts) == 1:
        parts.append(rng.choice(SUFFIXES))
    name = "".join(parts)
    return (
        rng.choice(("HTTP", "API", "DB", "SQL", "JSON", "XML", "IO")) + name if rng.random() < 0.08 else name
    )


def symbol(rng: Random) -> str:
    """A Python name: class, function, constant, dotted member."""
    roll = rng.random()
    if roll < 0.36:
        return camel(rng)
    if roll < 0.72:
        return snake(rng)
    if roll < 0.80:
        return snake(rng).strip("_").upper()
    if roll < 0.92:
        return f"{camel(rng)}.{snake(rng)}"
    return ".".join(word(rng) for _ in range(rng.randint(2, 3))) + (
        f".{camel(rng)}" if rng.random() < 0.5 else ""
    )


def path(rng: Random) -> str:
    """A relative file path of one to five parts."""
    folders = [rng.choice(FOLDERS)] if rng.random() < 0.8 else []
    folders += [
        word(rng) if rng.random() < 0.8 else snake(rng).strip("_") for _ in range(rng.choice((0, 0, 1, 1, 2)))
    ]
    stem = snake(rng) if rng.random() < 0.5 else word(rng)
    if rng.random() < 0.05:
        stem = "__init__"
    return "/".join([*folders, f"{stem}.{rng.choice(EXTENSIONS)}"])


def number(rng: Random) -> int:
    """A whole number, small ones more often."""
    return rng.randint(0, rng.choice((9, 30, 99, 99, 300, 999, 999, 2000, 9999)))


def amount(rng: Random) -> str:
    """A number with decimals, as text."""
    return (
        f"{rng.randint(0, 999)}.{rng.randint(0, 99):02d}" if rng.random() < 0.6 else f"0.{rng.randint(1, 99)}"
    )


def code(rng: Random) -> str:
    """An identifier of a record: ticket, order, hash."""
    roll = rng.random()
    letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.randint(2, 4)))
    if roll < 0.4:
        return f"{letters}-{rng.randint(1, 9999)}"
    if roll < 0.6:
        return f"{word(rng)}-{rng.randint(1, 99)}"
    if roll < 0.8:
        return "".join(rng.choice("0123456789abcdef") for _ in range(rng.randint(6, 8)))
    return f"{letters.lower()}{rng.randint(10, 999)}"


def host(rng: Random) -> str:
    """A host name."""
    tail = rng.choice(("example.com", "example.net", "internal", "local", "example.org"))
    head = f"{word(rng)}-{rng.randint(1, 20):02d}" if rng.random() < 0.5 else word(rng)
    return f"{head}.{tail}" if rng.random() < 0.5 else f"{head}.{word(rng)}.{tail}"


def date(rng: Random) -> str:
    """A date in ISO form."""
    return f"20{rng.randint(19, 29)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def version(rng: Random) -> str:
    """A version number."""
    return f"{rng.randint(0, 12)}.{rng.randint(0, 30)}.{rng.randint(0, 20)}"


def phrase(rng: Random) -> str:
    """Two to four words, as somebody would search for."""
    return " ".join(word(rng) for _ in range(rng.randint(2, 4)))


def person(rng: Random) -> str:
    """A first name, sometimes with a coined family name."""
    name = rng.choice(PEOPLE)
    return f"{name} {coined(rng).capitalize()}" if rng.random() < 0.5 else name
