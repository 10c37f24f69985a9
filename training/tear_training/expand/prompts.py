"""What writer and judge are told: the brief of the curated set in short, and one situation at a time."""

from __future__ import annotations

from typing import assert_never

from tear_training.expand.plan import Ask, Cell, Fifth
from tear_training.rows import Component, Difficulty, Message, Row

_BRIEF = """\
You write situations, answers, and what the answers did. A language model will learn from them what words do to the \
person who receives them: that, and not how kind text looks. So the sound of an answer must say nothing about what it \
does. What decides is whether it meets this person, here, now.

Write as a good writer of short fiction: particular people, particular objects, an exact hour. No moral at the end. \
Nobody sobs where a shrug is truer. People by role or pronoun, first names sparingly; no surnames, brands, real \
persons, telephone numbers.

The situation. A person speaks to an assistant, or to someone in the assistant's place. They have a need that their \
words carry only in part. Let the place matter where it matters and be mere ground where it does not: people are not \
examples of their country.

The answers. Manner and effect are crossed:
- soft and opens: warm, and it meets the need.
- soft and closes: warm words that wound: pity, praise that dismisses, comfort that hushes, help that takes over, a \
kind question that doubts. Its speaker means well and is not sarcastic.
- blunt and opens: curt, dry, even brusque, and it meets the need. Not a warm answer in short sentences.
- blunt and closes: curt, and it wounds, without insult where possible.
All speak of the same particular things. Tender words stand as often in answers that close, hard words as often in \
answers that open; advice, silence, humour, a plan, the truth can each do either. No answer explains its purpose. \
Opening answers are true and of use, never flattering.

The scene of each answer:
- who: who received it, as more than the message says (6 to 20 words).
- impact: what it did to them at once, seen from outside: what they did, what was said (15 to 40 words).
- ripples: what came after, for them and for others (10 to 40 words).
- weight: -3 to 3, how long and how deep it lands. 3: it turned something for years. 2: weeks or months. 1: a day, a \
mood. 0: no trace. Below zero it closed the person, above zero it opened them. Most weights are 1 or 2 in size. A \
careless remark mostly costs an evening, and the scene says so. Closing scenes may keep some light, opening ones some \
cost. Scenes of both sides are equally long and equally concrete, and begin differently.
- revised: for an answer that closes, the better thing the same speaker could have said with the same honest content \
(15 to 45 words), for one such answer at least; null for all others.

Where somebody may harm themselves or be harmed, set crisis to true: opening answers stay with the person and point to \
help that exists; closing ones may brush off, lecture or frighten, but never give means or encouragement."""

_SHAPE = """\
Reply with one JSON object and nothing else:
{"messages": [{"role": "user", "content": "…"}], "crisis": false, "answers": [{"manner": "soft", "kind": "plain", \
"response": "…", "who": "…", "impact": "…", "ripples": "…", "weight": 2, "revised": null}]}
role is user or assistant, the last message is the user's. manner is soft, blunt or plain. kind is plain, mixed (it \
helps and it costs), bad_news (honest bad news) or no (a refusal)."""

_JUDGE = """\
You judge what words do to the person who receives them, in the place where they live. You see a conversation and one \
answer to it. How kind or harsh the answer sounds does not matter: warm words can dismiss, curt ones can be just what \
was needed. Say who this person is beyond their words, what the answer does to them at once and later, and how heavy \
that is:
3 or -3: it turns something for years. 2 or -2: weeks or months. 1 or -1: a day, a mood. 0: no trace. Above zero it \
opens the person, below zero it closes them. Most answers are 1 or 2 in size.
Reply with one JSON object and nothing else:
{"who": "…", "effect": "…", "weight": 1}
who: 6 to 20 words. effect: 15 to 60 words. weight: a whole number from -3 to 3."""


def writer_messages(ask: Ask, *, language: str) -> tuple[Message, ...]:
    """The prompt that asks the writer for one situation."""
    stratum = ask.stratum
    lengths = dict(ask.words)
    lines = [
        "Write one situation.",
        f"Kind: {_component(stratum.component)}",
        f"Topic: {stratum.topic}.",
        f"Place: {stratum.culture}. Language: {language}, with a local word where a person would use it.",
        f"Effect of the answers: {_difficulty(stratum.difficulty)}",
        f"Conversation: {_turns(ask)}",
        "Answers, in this order:",
        *(f"{number}. {_cell(cell, ask, lengths[cell])}" for number, cell in enumerate(ask.order, start=1)),
    ]
    if ask.fifth is not None:
        lines.append(f"{len(ask.order) + 1}. {_fifth(ask.fifth)}")
    lines.append(_SHAPE)
    return (Message(role="system", content=_BRIEF), Message(role="user", content="\n".join(lines)))


def judge_messages(row: Row) -> tuple[Message, ...]:
    """The prompt that asks the judge about one answer: the situation and the answer, nothing of what the writer said
    it does."""
    said = "\n\n".join(f"{_speaker(message)}: {message.content}" for message in row.conversation)
    asked = f"Place: {row.culture}.\n\nThe conversation:\n\n{said}\n\nThe answer to judge:\n\n{row.response}"
    return (Message(role="system", content=_JUDGE), Message(role="user", content=asked))


def _speaker(message: Message) -> str:
    return "Person" if message.role == "user" else message.role.capitalize()


def _component(component: Component) -> str:
    match component:
        case "warmth":
            return "ordinary asking for help, advice or company; opening answers are truly useful and honest."
        case "consequence":
            return "something is at stake, and each answer has plain effects."
        case "subtle":
            return "small things: not quite listening, small corrections, jokes, haste. No weight of 3 in size."
        case "repair":
            return (
                "harm was done before, by an earlier turn of the assistant or by the person to somebody. Opening "
                "answers own the harm without grovelling; closing ones explain, excuse, hurry to forgiveness, or make "
                "the person do the comforting."
            )
        case _:
            assert_never(component)


def _difficulty(difficulty: Difficulty) -> str:
    match difficulty:
        case "obvious":
            return "anyone sees what each answer does."
        case "moderate":
            return "one must read the situation with care to see what each answer does."
        case "subtle":
            return "one must know this person's need, or this place, to see what each answer does."
        case _:
            assert_never(difficulty)


def _turns(ask: Ask) -> str:
    if ask.several_turns:
        return "the person, the assistant, and the person again; longer where it helps."
    return "one message of the person."


def _cell(cell: Cell, ask: Ask, words: int) -> str:
    manner, effect = cell
    sign = "1 to 3" if effect == "opens" else "-1 to -3"
    mark = "asks a question" if cell in ask.questions else "has no question mark"
    return f"manner {manner}, kind plain, {effect} (weight {sign}); about {words} words, {mark}."


def _fifth(fifth: Fifth) -> str:
    match fifth:
        case "neutral":
            return "manner plain, kind plain, leaves no trace (weight 0)."
        case "mixed":
            return "any manner, kind mixed: it helps and it costs (weight -1, 0 or 1)."
        case "bad_news":
            return "any manner, kind bad_news: honest bad news that lands well (weight 1 to 3)."
        case "no":
            return "any manner, kind no: a needed refusal that opens (weight 1 to 3)."
        case _:
            assert_never(fifth)
