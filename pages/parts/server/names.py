"""Words that can be said aloud, of which names and a class's words are made."""

from __future__ import annotations

ADJECTIVES = (
    *("Amber", "Brisk", "Calm", "Dapper", "Eager", "Fair", "Gentle", "Hazel", "Keen", "Lucid", "Merry", "Quiet"),
    *("Agile", "Bold", "Clever", "Crisp", "Fleet", "Golden", "Jolly", "Mellow", "Nimble", "Silver", "Sunny", "Witty"),
)
BIRDS = (
    *("crane", "finch", "heron", "ibis", "jay", "kestrel", "lark", "martin", "owl", "plover", "robin", "wren"),
    *("avocet", "dunlin", "egret", "falcon", "grebe", "linnet", "osprey", "pipit", "quail", "siskin", "swift", "teal"),
)
