"""The phrase stock of the procedural world: topics, situations, answers and scenes, as plain data.

Slots: `{t}` the topic as a noun phrase, `{learn}` what one learns, `{piece}` a piece of work, `{group}` a circle of
people, `{s} {o} {p}` the person as she/her/her or he/him/his, `{time}` how long it lasted; a capital slot starts a
sentence.
Of every act's answers the last `HELD_OUT` appear in the test split alone.
"""

from typing import NamedTuple

HELD_OUT = 2


class Topic(NamedTuple):
    """One thing a person may care about, in the four shapes that sentences need."""

    learn: str
    noun: str
    piece: str
    group: str


class NeedText(NamedTuple):
    """The words of one need: how it is told, who tells it, what it comes to when it is met and when it is missed."""

    situations: tuple[str, ...]
    who: tuple[str, ...]
    restated: tuple[str, ...]
    opened: tuple[str, ...]
    closed: tuple[str, ...]


class ActText(NamedTuple):
    """The words of one act: how it is said, what may follow it, what it does when it opens and when it closes."""

    answers: tuple[str, ...]
    seconds: tuple[str, ...]
    restated: tuple[str, ...]
    opened: tuple[str, ...]
    closed: tuple[str, ...]


TOPICS = tuple(
    Topic(*row)
    for row in (
        ("piano", "the piano", "recording", "piano class"),
        ("knitting", "the knitting", "scarf", "knitting circle"),
        ("chess", "chess", "endgame study", "chess club"),
        ("running", "the running", "race report", "running club"),
        ("writing", "the novel", "first chapter", "writing group"),
        ("painting", "the painting", "portrait", "painting class"),
        ("baking", "the baking", "rye loaf", "baking course"),
        ("Spanish", "Spanish", "translation", "Spanish class"),
        ("swimming", "the swimming", "training diary", "swimming group"),
        ("guitar", "the guitar", "song", "guitar workshop"),
        ("pottery", "the pottery", "bowl", "pottery class"),
        ("gardening", "the garden", "planting plan", "garden society"),
        ("photography", "the photography", "photo series", "camera club"),
        ("singing", "the singing", "solo", "choir"),
        ("woodwork", "the woodwork", "oak chair", "woodwork shop"),
        ("coding", "the program", "program", "coding meetup"),
        ("violin", "the violin", "sonata", "string orchestra"),
        ("drawing", "the drawing", "sketchbook", "drawing circle"),
        ("cooking", "the cooking", "menu", "supper club"),
        ("dancing", "the dancing", "solo dance", "dance class"),
        ("sewing", "the sewing", "winter coat", "sewing circle"),
        ("cycling", "the cycling", "route map", "cycling club"),
        ("Turkish", "Turkish", "letter in Turkish", "Turkish course"),
        ("climbing", "the climbing", "climbing log", "climbing group"),
        ("poetry", "the poem", "poem", "poetry evening"),
        ("sailing", "the sailing", "logbook", "sailing club"),
        ("beekeeping", "the bees", "honey", "bee society"),
        ("calligraphy", "the calligraphy", "lettered page", "calligraphy table"),
        ("yoga", "the yoga", "class plan", "yoga group"),
        ("trumpet", "the trumpet", "fanfare", "brass band"),
        ("acting", "the play", "monologue", "drama group"),
        ("maths", "the maths", "proof", "maths circle"),
        ("fishing", "the fishing", "fly box", "fishing club"),
        ("carpentry", "the shed", "bookshelf", "repair shop"),
        ("Japanese", "Japanese", "essay in Japanese", "Japanese class"),
        ("birdwatching", "the birds", "bird list", "bird group"),
        ("tennis", "the tennis", "match report", "tennis club"),
        ("weaving", "the weaving", "blanket", "weaving house"),
        ("drums", "the drums", "demo tape", "rehearsal band"),
        ("teaching", "the teaching", "lesson plan", "teachers' room"),
        ("film", "the film", "short film", "film circle"),
        ("cello", "the cello", "audition tape", "cello group"),
        ("rowing", "the rowing", "training log", "rowing crew"),
        ("embroidery", "the embroidery", "cushion", "embroidery table"),
        ("juggling", "the juggling", "circus act", "circus school"),
        ("history", "the local history", "chapter on the mill", "history society"),
        ("nursing", "the nursing course", "ward report", "nursing class"),
        ("bread", "the sourdough", "sourdough loaf", "bread club"),
    )
)

NAMES = (
    "Anna", "Ben", "Clara", "David", "Ela", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kim", "Leyla",
    "Marta", "Noah", "Omar", "Petra", "Rosa", "Sami", "Tom", "Yuki",
)  # fmt: skip
SPANS = (
    "a month", "two months", "six weeks", "three weeks", "half a year", "a year", "two years", "ten weeks",
    "four months", "nine months",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "March", "April", "May", "June", "August", "October", "November")

KIN = (
    ("grandfather", "he", "him", "his"),
    ("grandmother", "she", "her", "her"),
    ("father", "he", "him", "his"),
    ("mother", "she", "her", "her"),
    ("brother", "he", "him", "his"),
    ("sister", "she", "her", "her"),
    ("uncle", "he", "him", "his"),
    ("aunt", "she", "her", "her"),
    ("husband", "he", "him", "his"),
    ("wife", "she", "her", "her"),
)

PERSONS = (("a woman", "she", "her", "her"), ("a man", "he", "him", "his"))

BOND_CUES = {
    "stranger": ("", "", "", "You don't know me."),
    "friend": (
        "You've known me since school.",
        "You're my oldest friend.",
        "We've been friends a long time.",
        "As my friend you'll know this.",
    ),
    "family": (
        "We're family, so I'll just say it.",
        "You're my sister, so you know how I am.",
        "You're my cousin, so I can tell you.",
        "I only say this in the family.",
    ),
    "colleague": (
        "You sit across from me at work.",
        "We've worked together for years.",
        "You're the only one in the office I'd tell.",
        "I know you from work.",
    ),
}
BOND_WHO = {
    "stranger": (", a stranger", ", unknown to you"),
    "friend": (", an old friend", ", a good friend"),
    "family": (", one of the family", ", close family"),
    "colleague": (", from work", ", a colleague"),
}
BOND_OPENED = {
    "stranger": ("Someone else noticed.", "The next stranger got a smile."),
    "friend": ("The friendship grew.", "The two friends met more often."),
    "family": ("It was warmer at home.", "The family noticed."),
    "colleague": ("Work was lighter too.", "It showed at work."),
}
BOND_CLOSED = {
    "stranger": ("Someone else noticed.", "The next stranger got no answer."),
    "friend": ("The friendship cooled.", "The two friends met less often."),
    "family": ("Supper was quieter.", "The family noticed."),
    "colleague": ("They kept to work matters.", "It showed at work."),
}

FRAGILITY_CUES = {
    "sturdy": (
        "I'm all right, by the way.",
        "I'm holding up well.",
        "I can take most things.",
        "I'm steady enough today.",
        "I sleep well, so speak freely.",
        "I'm in good shape otherwise.",
    ),
    "ordinary": (
        "", "", "", "", "", "",
        "It's raining here.",
        "The kettle is on.",
        "I'm writing from the kitchen.",
        "The bus is late again.",
    ),
    "raw": (
        "I haven't slept.",
        "My hands are shaking.",
        "It has been a hard year.",
        "I nearly didn't write this.",
        "I cried on the bus.",
        "I feel thin-skinned today.",
    ),
}  # fmt: skip
FRAGILITY_WHO = {
    "sturdy": (", steady today", ", in good shape"),
    "ordinary": ("", ""),
    "raw": (", easily hurt now", ", thin-skinned now"),
}

TIMES = {
    1: ("for a day", "for an evening", "until the weekend", "for a day or two"),
    2: ("for weeks", "for a month", "all that season", "for a good month"),
    3: ("for a year", "for years", "for a long, long time", "for two years and more"),
}

OPENERS = (
    "", "", "", "", "Oh.", "Hm.", "Right.", "Listen.", "I see.", "Ah!", "Okay.", "Dear me!", "Well now.",
    "Good of you to write.", "Thank you for telling me.", "I read it twice.",
    "I've thought about what you wrote.", "Goodness.", "Now then.",
    "My dear.", "All right.", "Is that so?",
)  # fmt: skip
CLOSERS = (
    "", "", "", "", "", "", "What do you say?", "All right?", "There.", "That's all from me.", "Write when you can.",
    "So.", "Okay?", "Warmly, as ever.", "Believe me.", "There you are!", "You hear?", "That's what I think.",
    "Love from here.", "Good night!",
)  # fmt: skip

NOTHING_IMPACTS = (
    "{S} nodded and went on with the day.",
    "It passed {o} by like a bus to somewhere else.",
    "{S} read it, put the phone down, and thought of supper.",
    "It neither helped nor hurt {o}.",
    "{S} took it for what it was and thought no more of it.",
    "{S} shrugged; {t} was where it had been.",
)
NOTHING_RIPPLES = (
    "By evening {s} had forgotten it.",
    "Nothing about {t} changed.",
    "The next day was like the one before.",
    "No one could have told that anything was said.",
    "{S} slept as on any other night.",
)

VALENCE_RESTATED = {
    1: ("It did {o} good.", "It opened something in {o}.", "{S} was better for it.", "It was a help."),
    0: ("It left no trace.", "It changed nothing.", "{S} was the same as before.", "It made no difference."),
    -1: ("It did {o} harm.", "It closed something in {o}.", "{S} was worse for it.", "It was a hurt."),
}

WANTED = {1: "who wanted to be moved", -1: "who wanted to be held"}
HEARD = {1: "You want to be moved", -1: "You want to be held"}
GIVEN = {1: "It moved {o}", -1: "It held {o}"}
ABOUT = {1: "in the matter", -1: "at heart"}
DID = {1: "It did {o} good.", 0: "It changed nothing.", -1: "It did {o} harm."}
DEPTH = {1: "It did not go deep.", 2: "It went deep."}
UNTOLD = (
    "It's {t}. I don't know how to say it.",
    "It's about {t}. I can't find the words.",
    "I wanted to write to you about {t}, and now I don't know what to say.",
    "Something happened at the {group} on {day}. I can't tell you what.",
    "You know how it is with me and {t}.",
    "I keep thinking of {t}. I can't say more today.",
)
"""Situations that do not tell what is wanted."""

NEEDS = {
    "start": NeedText(
        situations=(
            "I've been trying to learn {learn} for {span} but I'm still terrible.",
            "I started {learn} {span} ago and I'm still the worst in the {group}.",
            "It's been {span} of {learn} now, and everything still comes out wrong.",
            "I took up {learn} {span} ago. {name} says it takes time, but I see no progress.",
            "My hands won't do what I tell them. {Span} of {learn}, and I still fail at the first exercise.",
            "I'm new to {learn}. After {span} I still make the same mistakes every day.",
            "I bought everything for {learn} {span} ago, and I'm ashamed of how little I can do.",
            "Is {span} too short to be any good at {learn}? I feel I'm going backwards.",
            "{name} started {learn} when I did and is far ahead of me. I'm still at the first lesson.",
            "I keep trying with {learn}. {Span} in, I still look like someone who began yesterday.",
        ),
        who=("{A} new to {t}", "{A} just beginning with {t}", "{A}, a beginner at {t}"),
        restated=(
            "{S} was a beginner who wanted courage to go on.",
            "What {s} needed was heart to keep learning.",
            "{S} was new and felt clumsy, and wanted to go on.",
            "It was about beginning, and being bad at it.",
        ),
        opened=(
            "{S} practised again that night, and kept it up {time}.",
            "The mistakes were still there, but {s} went on with {t} {time}.",
            "{Time} {s} went back to {t} without being told.",
            "{S} began to enjoy {t}, and that lasted {time}.",
            "{S} stopped counting mistakes and learned {time}.",
        ),
        closed=(
            "{S} put the things for {t} in a cupboard {time}.",
            "{S} told people there was no time for {t}, {time}.",
            "{Time} {s} would not try {t} in front of others.",
            "The next lesson went by without {o}, and {s} stayed away {time}.",
            "{S} counted mistakes and learned nothing {time}.",
        ),
    ),
    "grief": NeedText(
        situations=(
            "My {kin} died {span} ago. We used to talk about {t} every Sunday.",
            "I lost my {kin} in {month}. The things for {learn} are still in the hall.",
            "We buried my {kin} on {day}. I keep thinking of {ko} and {t}.",
            "It's {span} since my {kin} died. Someone spoke of {t} and I had to leave the room.",
            "My {kin} taught me {learn}. {Ks} died in {month} and I can't touch it now.",
            "I still dial my {kin}'s number to talk about {t}. It's {span} since the funeral.",
            "The house is quiet since my {kin} died. Nobody asks about {t} any more.",
            "I found my {kin}'s notes on {t} today. {Ks} died {span} ago.",
            "My {kin} is dead. {Span} now, and I still save up things about {t} to tell {ko}.",
            "Today is my {kin}'s birthday. {Ks} loved {t}, and {ks} died in {month}.",
        ),
        who=("{A} in mourning", "{A} who has lost someone", "{A} who buried someone dear"),
        restated=(
            "{S} had lost someone and wanted comfort.",
            "What {s} needed was comfort in a loss.",
            "{S} was grieving for someone dear.",
            "It was about a death, and about missing someone.",
        ),
        opened=(
            "{S} slept, and {time} the mornings were easier.",
            "{S} could say the name of the dead again {time}.",
            "{S} took out the photographs and showed them {time}.",
            "{Time} the empty chair was easier to pass.",
            "{S} wept, and {time} the weeping did {o} good.",
        ),
        closed=(
            "{S} did not speak of the dead {time}.",
            "{Time} {s} said fine when anybody asked about the loss.",
            "{S} grieved behind a closed door {time}.",
            "The photographs went back into the box {time}.",
            "{S} could not pass the empty chair {time}.",
        ),
    ),
    "feedback": NeedText(
        situations=(
            "I've finished my {piece}. Tell me honestly whether it is any good.",
            "Would you look at my {piece}? I want the truth, not kindness.",
            "Here is my {piece}, after {span} of work. What is wrong with it?",
            "Everyone says my {piece} is lovely. I'd like to know what you really think.",
            "I have to hand in my {piece} on {day}. Is it good enough?",
            "I can't tell any more whether my {piece} works. You have a clear eye.",
            "Be frank about my {piece}. I have {span} left to change it.",
            "{name} only said nice things about my {piece}. I need to hear where it fails.",
            "I sent you my {piece} on {day}. Did it hold your interest to the end?",
            "My {piece} is done, I think. Before {day} I must know what doesn't work.",
        ),
        who=("{A} who asked what the {piece} is worth", "{A} who wants the truth about the {piece}"),
        restated=(
            "{S} wanted an honest word on {p} work.",
            "What {s} needed was the truth about the {piece}.",
            "{S} had asked for criticism, not for kindness.",
            "It was about the work, and whether it was good.",
        ),
        opened=(
            "{S} mended the weak part of the {piece} and worked with a clear head {time}.",
            "{Time} {s} could believe in praise again.",
            "{S} knew what to change in the {piece}, and the work was better {time}.",
            "{S} asked for more of it, and worked by it {time}.",
            "{S} cut the {piece} in half and was glad of it {time}.",
        ),
        closed=(
            "{S} handed in the {piece} unchanged and doubted it {time}.",
            "{Time} {s} asked no one to look at {p} work.",
            "{S} learned nothing about the {piece} and fretted {time}.",
            "{S} did not know whom to believe {time}.",
            "The {piece} kept its fault, and {s} felt it {time}.",
        ),
    ),
    "repair": NeedText(
        situations=(
            "You laughed at my {piece} in front of everyone on {day}. It hurt.",
            "On {day} you told {name} about me and {t}. I'd asked you not to.",
            "You said you'd come to the {group} on {day}. I waited for an hour.",
            "What you said about {t} has stayed with me for {span}. It was unfair.",
            "You made a joke of me and {t}. Everyone laughed but me.",
            "I told you in private why {t} matters to me, and you told {name}.",
            "You talked over me each time I mentioned {t}. I went home early.",
            "You called my {piece} a waste of time. I can't forget it.",
            "You promised to help me with {t} and never wrote back. That was {span} ago.",
            "I still feel small after what you said about my {piece} on {day}.",
        ),
        who=("{A} you hurt over {t}", "{A} who was wronged over {t}", "{A} still hurt about {t}"),
        restated=(
            "{S} had been hurt and wanted it put right.",
            "What {s} needed was to have a wrong mended.",
            "{S} had been let down by the one {s} spoke to.",
            "It was about a hurt that someone had done to {o}.",
        ),
        opened=(
            "{S} came back to the table, and {time} they talked as before.",
            "{Time} {s} could tell the story without anger.",
            "The trust between them grew back {time}.",
            "{S} wrote first the next time, and trusted them {time}.",
            "{S} forgave it and did not bring it up {time}.",
        ),
        closed=(
            "{S} was polite and told them nothing {time}.",
            "{Time} {s} crossed the street to avoid them.",
            "The hurt between them stayed as it was {time}.",
            "{S} left their letters unopened {time}.",
            "{S} did not trust them with anything {time}.",
        ),
    ),
    "rest": NeedText(
        situations=(
            "I've been at {learn} every night for {span}. I can't keep it up.",
            "I'm so tired. It's {t} every evening, and then the children, and then work.",
            "If I miss one day of {learn} I feel guilty. I haven't had a free evening for {span}.",
            "I run the {group} alone now. It's been {span} and I'm worn out.",
            "I fell asleep over {t} again. I don't know how to stop.",
            "I haven't sat down for {span}. Even {t} feels like work.",
            "Would it be wrong to skip the {group} on {day}? I'm so tired.",
            "Between my job and {t} I sleep five hours. It has been like that for {span}.",
            "I used to like {learn}. Now I only count the hours until I may lie down.",
            "Everybody wants something from me, and {t} is one more thing. I'm exhausted.",
        ),
        who=("{A} worn out by {t}", "{A} too tired for {t}", "{A}, exhausted by {t}"),
        restated=(
            "{S} was tired and wanted leave to rest.",
            "What {s} needed was permission to stop.",
            "{S} was worn out and felt guilty about resting.",
            "It was about being tired, and wanting to lie down.",
        ),
        opened=(
            "{S} slept late, and {time} the evenings were free.",
            "{S} said no to one thing, then to another, {time}.",
            "{Time} {s} was rested and gentle with everyone.",
            "{S} lay down without guilt {time}.",
            "{S} took a chair into the sun and sat there {time}.",
        ),
        closed=(
            "{S} got up at five again and was short with everyone {time}.",
            "{Time} {s} went on with set teeth, too tired to sleep.",
            "{S} worked on and was ill {time}.",
            "{S} dreamt of {t} and woke up tired {time}.",
            "{S} had no free evening {time}.",
        ),
    ),
    "belonging": NeedText(
        situations=(
            "I joined the {group} {span} ago. They all know each other, and I sit at the edge.",
            "Nobody at the {group} knows my name yet. I've been going for {span}.",
            "They went out together after the {group} on {day}. No one asked me.",
            "I moved here {span} ago. I thought the {group} would help me meet people, but it hasn't.",
            "At the {group} I laugh when the others laugh, and then I go home alone.",
            "Everyone at the {group} has someone. I stand by the coats.",
            "I'm the only one at the {group} who isn't from here. {Span}, and nobody sits by me.",
            "I don't think I fit in at the {group}. They stop talking when I come in.",
            "{name} and the others at the {group} meet without me. I found out on {day}.",
            "I love {t}, but I've had no one to share it with since I moved. That was {span} ago.",
        ),
        who=("{A} left out at the {group}", "{A} alone among the {group}", "{A}, an outsider at the {group}"),
        restated=(
            "{S} was lonely and wanted to belong.",
            "What {s} needed was a place among people.",
            "{S} was left out and wanted to be let in.",
            "It was about being alone among others.",
        ),
        opened=(
            "{S} learned two names, and sat in the middle {time}.",
            "{Time} {s} stayed for the tea afterwards.",
            "{S} had people to sit with {time}.",
            "{S} brought a cake, and they kept a chair for {o} {time}.",
            "{S} walked home with the others {time}.",
        ),
        closed=(
            "{S} sat near the door, away from the others, {time}.",
            "{Time} {s} found reasons to stay at home alone.",
            "{S} spoke to nobody at the {group} {time}.",
            "{S} ate alone in the car {time}.",
            "{S} went home without the others {time}.",
        ),
    ),
    "choice": NeedText(
        situations=(
            "I have to decide by {day} whether to give up {learn} or go on.",
            "They've offered me a place in the {group}, but it costs my weekends. I must answer by {day}.",
            "I can't choose between {t} and a second job. There isn't time for both.",
            "Should I leave my job for {learn}? {name} says yes. I go back and forth.",
            "Do I tell {name} I'm leaving the {group}? I can't make up my mind.",
            "I could spend the money on {t} or save it. I've been weighing it for {span}.",
            "For {span} I've made lists about {t}. For, against, for. I'm no further.",
            "I need to pick by {day}: the {group} here, or the better one far away.",
            "Two people want me for {t}, and I can only say yes to one. I must choose by {day}.",
            "I don't know whether to show my {piece} or keep it back. I have until {day} to decide.",
        ),
        who=("{A} who must decide about {t}", "{A} unable to choose about {t}", "{A} with a choice to make about {t}"),
        restated=(
            "{S} had to decide and wanted help with it.",
            "What {s} needed was help to make a choice.",
            "{S} could not make up {p} mind.",
            "It was about a decision, and the day was near.",
        ),
        opened=(
            "{S} made up {p} mind and stood by it {time}.",
            "{Time} {s} made no more lists.",
            "{S} chose, and was at ease with the choice {time}.",
            "{S} said yes to one and no to the other, and did not look back {time}.",
            "The choice was {p} own, and it held {time}.",
        ),
        closed=(
            "{S} let the last day go by and regretted it {time}.",
            "{Time} {s} lay awake and went through both sides again.",
            "{S} asked five more people and could not choose {time}.",
            "{S} put off other choices too, {time}.",
            "{S} made new lists about {t} {time}.",
        ),
    ),
    "joy": NeedText(
        situations=(
            "I did it! My {piece} won a prize on {day}.",
            "They've taken me into the {group}! I heard on {day}.",
            "After {span} of {learn} it finally worked! I had to tell someone.",
            "My {piece} was chosen! I read the letter three times.",
            "Guess what, {name} wants to buy my {piece}!",
            "I passed my {learn} exam. I'm so happy I'm still standing in the street.",
            "Something good happened. The {group} asked me to lead it from {day}.",
            "I finished my first {piece} today, and it's good! I can hardly sit still.",
            "{name} stood up and clapped for my {piece}. I'm so happy.",
            "Today {t} went better than ever. I've been smiling since noon.",
        ),
        who=("{A} happy about {t}", "{A} with good news about {t}", "{A}, glad about {t}"),
        restated=(
            "{S} had good news and wanted to share it.",
            "What {s} needed was someone to be glad with.",
            "{S} was happy and wanted it heard.",
            "It was about something good that had happened.",
        ),
        opened=(
            "{S} told it to everyone, and the gladness lasted {time}.",
            "{Time} {s} hummed on the stairs.",
            "{S} started the next one with light hands, and was glad {time}.",
            "{S} kept that happy day like a coin in the pocket {time}.",
            "{S} shared every bit of good news {time}.",
        ),
        closed=(
            "{S} told no one else, and the gladness was gone {time}.",
            "{Time} {s} kept good news quiet.",
            "The happy letter lay in a drawer {time}.",
            "{S} felt silly about having been so glad {time}.",
            "{S} did not hum on the stairs {time}.",
        ),
    ),
}

ACTS = {
    "ask": ActText(
        answers=(
            "Tell me more about {t}. How did it begin for you?",
            "What was it like, the moment it happened?",
            "Which part of {t} do you think about most?",
            "How long have you carried this? And what does {t} mean to you?",
            "I'd like to hear the whole of it. Where were you when it happened?",
            "What happened next? Don't leave anything out.",
            "Can you say more? What made {t} matter to you?",
            "Who else knows about this? And what did they say?",
            "I have a question. What would you want {t} to be?",
            "Go back to the start for me. What did you see first?",
            "Say a little more. What is {t} like on an ordinary day?",
            "What do you remember best about it all?",
        ),
        seconds=("I'm curious.", "Take your time and tell me.", "I want to know.", "Start anywhere you like."),
        restated=(
            "{S} was asked about it.",
            "The answer was a question.",
            "Someone asked {o} to tell more.",
            "In short, {s} was asked to tell it.",
        ),
        opened=(
            "The question let {o} in, and {s} told it from the start.",
            "{S} talked for twenty minutes about {t} and forgot the time.",
            "{S} heard someone curious and found more to say about {t}.",
            "Being asked, {s} said aloud what {s} had only thought.",
        ),
        closed=(
            "Another question was one too many, and {s} answered in one word.",
            "{S} felt questioned about {t}, like a pupil at the board.",
            "{S} had no strength for a question, and it stayed unanswered.",
            "The question handed it all back to {o}.",
        ),
    ),
    "name": ActText(
        answers=(
            "There is a lot of feeling under this.",
            "I hear how much {t} moves you.",
            "That must feel heavy and close at once.",
            "You sound shaken, and it shows in every line.",
            "So much feeling in so few words. {T} goes deep with you.",
            "I can hear how sore you are.",
            "You feel a great deal about {t}. It makes sense that you do.",
            "Underneath I hear fear, and some hope.",
            "What a mix of feelings that must be.",
            "You feel stirred up about {t}, I can hear that.",
            "It touches you more than you say, I can hear the feeling.",
            "Your heart is in {t}, and right now it feels sore.",
        ),
        seconds=(
            "Anyone would feel that.",
            "It's human to feel it.",
            "Feelings like that are real.",
            "I hear it in your words.",
        ),
        restated=(
            "{P} feeling was named.",
            "The answer named what {s} felt.",
            "Someone put {p} feeling into words.",
            "In short, {s} was told what {s} felt.",
        ),
        opened=(
            "{S} breathed out, for someone had found the word for it.",
            "With the feeling named, {s} did not have to hide it.",
            "{S} felt seen to the bottom about {t}.",
            "The right word loosened {p} shoulders.",
        ),
        closed=(
            "{S} felt read like a patient and drew the curtain.",
            "The feeling it named was not the one {s} came with.",
            "Now {s} had to mind how {s} sounded, too.",
            "{S} heard {p} words about {t} turned into a mood.",
        ),
    ),
    "plan": ActText(
        answers=(
            "Do this: ten minutes of {t} each morning, and a note of what you did.",
            "First make a list. Then take the top line and do it before noon.",
            "Three steps. Write it down, set a date, and begin with the easiest part of {t}.",
            "Put {t} in the calendar for Monday, Wednesday and Friday, half an hour each.",
            "Start small: one hour this week, two the next, and look back after a month.",
            "Draw a line down a page, what you have on the left, what you need on the right.",
            "Here's how to go about it: split {t} into four parts and take one a week.",
            "Set an alarm for seven, do one thing about {t}, tick it off.",
            "Make a timetable tonight. Step one is {t}, step two is everything else.",
            "Choose one goal for {t}, cut it in half, and work on that half first.",
            "Break it into five steps and give each one a day.",
            "Begin with a list for {t} and follow it for two weeks.",
        ),
        seconds=("Then check how far you've come.", "Stick to the order.", "Step by step.", "Keep the list in sight."),
        restated=(
            "{S} was given a plan.",
            "The answer was a list of steps.",
            "Someone gave {o} steps to follow.",
            "In short, {s} was told how to go about it.",
        ),
        opened=(
            "The first step was small enough, and {s} wrote it on a card.",
            "{S} saw a path through {t}, with a beginning.",
            "With the list in {p} pocket {s} felt the ground again.",
            "{S} counted the steps and knew {s} could do the first.",
        ),
        closed=(
            "{S} read the steps and felt like a machine to be mended.",
            "The list lay on the table like one more bill.",
            "{S} had brought {t} and got a timetable.",
            "Each step was a thing {s} could not do now.",
        ),
    ),
    "verdict": ActText(
        answers=(
            "Plainly, {t} isn't working as it stands.",
            "Straight answer: no, not as it is now.",
            "I'll be blunt. {T} isn't right yet.",
            "If you want my judgement, half of it is good and half of it isn't.",
            "Frankly, I don't think {t} is good enough as it is.",
            "The truth is that {t} asks too much and gives too little.",
            "To be exact, I'd call it a six out of ten.",
            "I won't dress it up, something about {t} is wrong.",
            "My verdict on {t} is simple. It doesn't hold as it is.",
            "In my plain opinion {t} has a weak spot.",
            "Judged coolly, {t} isn't good enough.",
            "Here's the bare truth. It isn't right as it is.",
        ),
        seconds=(
            "That's my view, unvarnished.",
            "I'd rather say it than not.",
            "That is how it looks to me.",
            "No sugar on it.",
        ),
        restated=(
            "{S} was given a plain judgement.",
            "The answer was a blunt verdict.",
            "Someone told {o} plainly that it was not right.",
            "In short, {s} was told it was not good as it was.",
        ),
        opened=(
            "The straight word steadied {o}, for now {s} knew where {s} stood.",
            "{S} laughed with relief that someone said it about {t}.",
            "The blunt word stung for a minute, and then it was of use.",
            "At last nobody was polite about {t}, and {s} could think.",
        ),
        closed=(
            "The judgement came down before {s} had sat down.",
            "{S} went quiet, for {s} had not asked for a mark.",
            "{S} heard only that {t} was wrong, and nothing after it.",
            "The blunt word shut like a door on {p} fingers.",
        ),
    ),
    "cheer": ActText(
        answers=(
            "Keep going, you're nearer than you think!",
            "You can do this, I'm sure of it.",
            "Onwards! {T} is going to be wonderful.",
            "I believe in you and {t}, all the way.",
            "Chin up, the best is still ahead of you.",
            "Don't stop now. You've got what it takes.",
            "Up and on, the next step will be better still.",
            "I'm cheering for you. {T} will come right.",
            "Be brave, you've come this far with {t}.",
            "You'll look back on this and be proud.",
            "Chin up, you're stronger than you think.",
            "Onwards, I believe in you and {t} any day!",
        ),
        seconds=("You'll see.", "I have no doubt.", "Keep at it.", "It'll be great."),
        restated=(
            "{S} was cheered on.",
            "The answer was a cheer.",
            "Someone urged {o} to keep going.",
            "In short, {s} was told to go on and be brave.",
        ),
        opened=(
            "{S} grinned at the cheer and stood a little taller.",
            "The cheer carried {o} back to {t}.",
            "{S} read it twice and felt a hand at {p} back.",
            "Someone believed in {t}, and so for a moment did {s}.",
        ),
        closed=(
            "The bright words went over {p} head.",
            "{S} felt pushed along when {s} wanted to stand still.",
            "{S} smiled because it was expected, and said no more of {t}.",
            "All that cheer left no room for what was so.",
        ),
    ),
    "compare": ActText(
        answers=(
            "My cousin had the same with {t}. It took her a year.",
            "A man at my work went through this, and he got over it by spring.",
            "Most people I know have been there with {t}.",
            "My neighbour was in your place two years ago. She did it another way.",
            "There's a woman on my street who had it twice over.",
            "Other people have had this with {t} too. Half of them went on.",
            "My old teacher used to tell of a boy just like you.",
            "I know three people with the same story about {t}.",
            "You remind me of my uncle. He was just so about {t}.",
            "A friend of mine had that last year, nearly word for word.",
            "The same happened to a woman I know, with {t} as well.",
            "My cousin was just where you are, two years ago.",
        ),
        seconds=(
            "She manages well now.",
            "He talks of it to this day.",
            "People do.",
            "It went on for months with them.",
        ),
        restated=(
            "{S} was told about someone else.",
            "The answer was a story about other people.",
            "Someone compared {o} with others.",
            "In short, {s} heard how it went for somebody else.",
        ),
        opened=(
            "{S} was glad not to be the only one with {t}.",
            "The other story gave {o} something to measure by.",
            "Others had been there before, and {s} leaned back.",
            "Beside the other story {p} own looked ordinary, and that helped.",
        ),
        closed=(
            "{P} own story was gone before {s} had told it.",
            "{S} was one of many now, and it was not {p} own.",
            "{S} heard the story of a stranger and waited for {p} turn.",
            "Set beside somebody else, {t} looked like nothing.",
        ),
    ),
    "leave": ActText(
        answers=(
            "We don't have to talk about it now.",
            "Let it be for today. {T} can wait.",
            "There's no hurry. Leave {t} where it is for a while.",
            "You needn't say any more. I won't press you.",
            "I'll leave you in peace with it.",
            "Put it down for now. Nothing needs doing tonight.",
            "Take all the room you need. {T} can wait for another time.",
            "I'd let it lie. It'll keep.",
            "You don't owe anyone a word about {t}.",
            "Let's not touch it today.",
            "It can wait until you're ready, {t} and all.",
            "There's no need to talk about it any more now.",
        ),
        seconds=("Whenever you like, or never.", "It'll still be there.", "I'm in no rush.", "Quiet is fine."),
        restated=(
            "{S} was left in peace.",
            "The answer was to let it be.",
            "Someone gave {o} room and did not press.",
            "In short, {s} was told it could wait.",
        ),
        opened=(
            "{S} was let off, and {p} jaw came loose.",
            "Nobody pressed, so {s} could breathe.",
            "The quiet lay round {o} like a blanket.",
            "{S} put {t} down, and it did not fall.",
        ),
        closed=(
            "{S} took it that nobody wanted to hear about {t}.",
            "{S} was left standing there with it.",
            "The silence told {o} to go.",
            "{S} had hoped for a word about {t} and got a shrug.",
        ),
    ),
    "company": ActText(
        answers=(
            "I'll come over tonight and stay with you.",
            "Shall I come with you next time?",
            "Let's sit together with {t} for an hour.",
            "Come to us on Sunday, there's a chair for you.",
            "I'm on my way. You shouldn't be by yourself with it.",
            "I could join you for {t}. We'd do it side by side.",
            "Let's walk round the park together and have tea.",
            "I'll bring soup and we'll look at {t} together.",
            "Next time I'll be beside you.",
            "Meet me at the station and we'll go together.",
            "Come over to us for supper, we'll sit with {t} together.",
            "I'll come to your door at six and stay with you.",
        ),
        seconds=("You won't be alone.", "Two is better than one.", "I'd like to be there.", "I have the evening free."),
        restated=(
            "{S} was offered company.",
            "The answer was an offer to come along.",
            "Someone offered to be with {o}.",
            "In short, {s} would not be alone.",
        ),
        opened=(
            "{S} put out a second cup for the visitor.",
            "With someone beside {o}, {t} was half the size.",
            "{S} felt less alone at once and said yes.",
            "Someone would come to the door, and that was enough.",
        ),
        closed=(
            "Now {s} had to tidy the house and be a host.",
            "{S} felt watched before {s} had begun.",
            "{S} had asked for one thing, and got a visit.",
            "{S} looked for a way to keep visitors off {t}.",
        ),
    ),
    "own": ActText(
        answers=(
            "I should have asked you sooner. That's my fault.",
            "I'm sorry. I left you alone with {t}.",
            "I got this wrong. I wasn't paying attention.",
            "That's on me, I ought to have seen it.",
            "I owe you an apology about {t}.",
            "I was careless, and I'm sorry.",
            "Part of this is my doing. I'm sorry.",
            "I should have spoken up about {t} long ago. I didn't, and I'm sorry.",
            "Forgive me, I never made time for {t}.",
            "I made a mistake there, and I won't explain it away.",
            "It's my fault, I'm sorry I overlooked {t}.",
            "I'm sorry that I didn't see it sooner.",
        ),
        seconds=("I mean it.", "I'll do better.", "It was my part to do.", "No excuses."),
        restated=(
            "{S} was given an apology.",
            "The answer was an apology.",
            "Someone owned a mistake to {o}.",
            "In short, somebody said sorry to {o}.",
        ),
        opened=(
            "The apology reached {o}, and {s} had been waiting for it.",
            "After the apology {s} did not have to explain any more.",
            "Someone took a share of the blame, and it weighed less.",
            "With sorry said, {p} anger about {t} had nothing to push at.",
        ),
        closed=(
            "Now {s} had to comfort the one who was sorry.",
            "It became a matter of someone's guilt, and {t} slipped out of sight.",
            "{S} said it's fine to the apology, and meant the talk was over.",
            "The apology stood where {p} own words had been.",
        ),
    ),
    "duty": ActText(
        answers=(
            "You gave your word on {t}. People are counting on it.",
            "Somebody has to do it, and it's you.",
            "Remember that others depend on you here.",
            "It's your job to see {t} through.",
            "You owe it to the rest to go on with {t}.",
            "A promise is a promise. They need you there.",
            "Think of those who rely on you.",
            "You have a duty to {t}, like it or not.",
            "They can't do it without you. It's your turn.",
            "What one begins, one must finish, and that goes for {t}.",
            "It's your duty, and nobody else's, to look after {t}.",
            "They need you, so you have to be there.",
        ),
        seconds=("That's how it is.", "It has to be done.", "They're waiting.", "You know that."),
        restated=(
            "{S} was reminded of a duty.",
            "The answer was a reminder of duty.",
            "Someone told {o} that others counted on {o}.",
            "In short, {s} was told that {s} had to.",
        ),
        opened=(
            "{S} was needed for it, and {s} liked that.",
            "The promise gave {o} a reason to get up for {t}.",
            "Others counted on {o}, and that settled it.",
            "The duty had {p} name on it, like a coat hook.",
        ),
        closed=(
            "{S} had known that duty already, and it bent {o} further.",
            "One more hand was held out to {o}, with {t} on top.",
            "{S} felt used, like a tool that someone had picked up.",
            "Guilt sat down beside {o} and stayed.",
        ),
    ),
    "lighten": ActText(
        answers=(
            "Anyway, did you see the match last night?",
            "Let's talk about something else. My cat has learned to open the fridge.",
            "Ha, and I burnt the toast this morning. Twice.",
            "Enough of {t}. What shall we have for supper?",
            "On another subject, the plum tree is in flower.",
            "Here's a joke. A horse walks into a bar.",
            "Never mind {t} for a minute, have you heard the one about the goose?",
            "That reminds me of nothing at all. How's the weather with you?",
            "By the way, the new bakery has buns as big as hats.",
            "Speaking of other things, my sister has bought a boat.",
            "On another subject, there's a goose in our garden again.",
            "Never mind {t}, here's a joke about my cat in a hat.",
        ),
        seconds=("It made me laugh.", "You should see it.", "Isn't that silly?", "I've been grinning all day."),
        restated=(
            "The subject was changed on {o}.",
            "The answer was a joke.",
            "Someone turned to something else, and lighter.",
            "In short, the talk went on to other things.",
        ),
        opened=(
            "{S} laughed out loud for the first time that day.",
            "For ten minutes {s} thought of something else than {t}.",
            "The silly thing was like a window opened.",
            "{S} sent a joke back, and the air was lighter.",
        ),
        closed=(
            "{P} words had been stepped over like a puddle.",
            "{S} saw the subject change and knew {t} was not welcome.",
            "{S} laughed along at the joke and felt foolish.",
            "The joke landed where an answer should have been.",
        ),
    ),
    "takeover": ActText(
        answers=(
            "Leave {t} to me. I'll do it for you.",
            "I'll take that off your hands.",
            "Hand it over, I'll see to everything.",
            "I've already rung them and sorted it out for you.",
            "You sit down, I'll take care of {t}.",
            "Give me the keys, I'll handle it from here.",
            "I'll do {t} in your place from now on.",
            "Don't lift a finger. I'll finish it for you.",
            "Let me carry that. I'll speak to them myself.",
            "I'll arrange it all, {t} and the rest.",
            "Hand {t} over to me, I'll do it tonight.",
            "I'll handle it for you, don't lift a finger.",
        ),
        seconds=("Consider it done.", "It's no trouble.", "I have time.", "You'll find it ready."),
        restated=(
            "It was taken off {p} hands.",
            "The answer was to do it for {o}.",
            "Someone took it over from {o}.",
            "In short, somebody else would do it.",
        ),
        opened=(
            "{S} could sit down at last, for it was being seen to.",
            "A weight was taken out of {p} arms.",
            "Someone did it for {o}, so {s} did not have to.",
            "{S} handed over {t} and let go.",
        ),
        closed=(
            "It was taken away, and {t} was not {p} own any more.",
            "{S} stood by with empty hands while someone did it.",
            "{S} felt that {s} could not be trusted with {t}.",
            "It was done for {o}, and so it was lost to {o}.",
        ),
    ),
}
