"""Patterns of everyday sentences and the words that fill them; written for this repository."""

from typing import Final

PATTERNS: Final = (
    "{who} {went} to the {place} {when}.",
    "{who} {went} to the {place} with {person}.",
    "Could you {do} the {thing}, please?",
    "Can you {do} the {thing} before {clock}?",
    "Please {do} the {thing} {where}.",
    "Don't {do} the {thing} yet.",
    "The {thing} is {where}.",
    "The {adjective} {thing} {where} belongs to {person}.",
    "{person} said that the {place} opens at {clock}.",
    "The {place} closes at {clock} on {day}.",
    "We are meeting {person} at {clock}, {where}.",
    "The {vehicle} to {city} leaves at {clock}.",
    "The {vehicle} from {city} is {number} minutes late.",
    "It costs {amount}.",
    "The {thing} costs {amount}, but the {thing} is only {amount}.",
    "I paid {amount} for {number} {things}.",
    "{who} bought {number} {things} and a {adjective} {thing}.",
    "There are {number} {things} {where}.",
    "Is there a {place} near the {place}?",
    "How far is it from {city} to {city}?",
    "What time does the {place} open on {day}?",
    "Where did you put the {adjective} {thing}?",
    "Why is the {thing} so {adjective}?",
    "Who took the {thing} from the {place}?",
    "When will {person} come back from {city}?",
    "My {relative} lives in {city}, not far from the {place}.",
    "My {relative} works at the {place} {when}.",
    "Her {relative} has {number} {things}.",
    "His {relative} is {number} years old.",
    "I like {food} and {food}, but not {food}.",
    "We had {food} with {food} for {meal}.",
    "Would you like some {food} or some {food}?",
    "For {meal} there is {food}, {food}, and {food}.",
    "{person} never eats {food} for {meal}.",
    "It was {adjective} and {adjective} {when}.",
    "It will be {adjective} in {city} {when}.",
    "{when}, the weather in {city} was {adjective}.",
    "I have been waiting here since {clock}.",
    "I am {adjective}, because the {thing} is {adjective}.",
    "If it is {adjective} {when}, we will stay at the {place}.",
    "{who} saw a {adjective} {animal} {where}.",
    "The {animal} ran after the {animal}.",
    "Our {animal} sleeps {where}.",
    "Turn {side} at the {place}, then go straight to the {place}.",
    "The {place} is on the {side}, next to the {place}.",
    "The meeting with {person} is on {day} at {clock}.",
    "It starts on {day}, the {ordinal} of {month}.",
    "She was born in {month} {year}.",
    "That happened in {year}, or maybe in {year}.",
    "Call me at {digits}.",
    "My number is {digits}, and the code is {letters}.",
    "The room is {letters} {number}, on the {ordinal} floor.",
    "Spell it with {letters}, not with {letters}.",
    "Hello, {person}, how are you {when}?",
    "Good morning, {person}.",
    "Thank you for the {thing}, {person}.",
    "I am sorry, but I can't {do} the {thing}.",
    "You should {do} the {thing} with {person}.",
    "{who} wanted to {do} the {adjective} {thing}.",
    "{person} thinks that we should {do} it {when}.",
    "Let's {do} the {things} {when}.",
    "I don't know whether the {thing} is {adjective} or {adjective}.",
    "{number} percent of the {things} were {adjective}.",
    "Yes, the {thing} is {adjective}.",
    "No, that is not my {thing}.",
    "Of course, {person}.",
    "I don't think so.",
    "See you on {day}.",
    "That sounds {adjective}.",
    "Maybe {when}.",
)

FILLERS: Final = {
    "who": "I|You|He|She|We|They|Nobody|Everybody|Somebody|My friends|The neighbors|The students",
    "went": "went|walked|drove|came|ran|moved|hurried|returned|travelled|wanted to go|had to go|used to go",
    "person": "Anna|Peter|Maria|John|Doctor Smith|Mister Brown|Missus Green|my boss|your sister|Tom|Sarah|David|Emma"
    "|the teacher|the driver|our neighbor|Michael|Julia|Robert|Linda|George|Alice|the manager|James|Susan",
    "place": "market|station|museum|school|bank|library|hospital|park|church|hotel|office|bridge|river|beach|airport"
    "|post office|restaurant|theater|cinema|bakery|garden|kitchen|harbor|supermarket|university|shop|corner|lake",
    "where": "on the table|under the bed|behind the door|in the kitchen|next to the window|in front of the house"
    "|in the car|on the floor|near the river|at home|upstairs|downstairs|outside|in the next room|on the shelf"
    "|in my bag|across the street|between the chairs|at the office|by the sea",
    "when": "today|tomorrow|yesterday|this morning|tonight|last night|next week|every day|in the evening|after lunch"
    "|before dinner|on the weekend|last summer|in the winter|this year|right now|later|soon|twice a week|all day",
    "do": "open|close|bring|find|clean|carry|sell|buy|paint|check|repair|move|keep|show|take|use|send|watch"
    "|build|return"
    "|measure|count|hold|change|borrow|describe|finish|throw|choose|wash",
    "thing": "window|door|book|letter|phone|computer|table|chair|lamp|key|picture|box|coat|shirt|shoe|watch|knife|cup"
    "|bottle|machine|camera|newspaper|ticket|bag|umbrella|clock|radio|mirror|present|bicycle|paper|card|plan|report",
    "things": "windows|doors|books|letters|phones|tables|chairs|keys|pictures|boxes|shirts|shoes|cups|bottles|tickets"
    "|bags|clocks|presents|cards|plans|reports|pages|questions|answers|stories|songs|houses|trees|flowers|stones",
    "adjective": "big|small|old|new|good|bad|warm|cold|happy|sad|quiet|loud|red|green|blue|yellow|black|white"
    "|empty|full"
    "|heavy|light|cheap|expensive|beautiful|strange|funny|easy|difficult|important|interesting|dangerous|clean|dirty"
    "|early|late|rainy|windy|sunny|cloudy|tired|angry|hungry|thirsty|busy|free|strong|weak|soft|hard",
    "number": "1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|25|30|40|48|50|60|72|80|90|100|250|365|1,000|1,500",
    "ordinal": "1st|2nd|3rd|4th|5th|6th|7th|8th|9th|10th|11th|12th|13th|15th|18th|20th|21st|22nd|23rd|30th|31st",
    "year": "1900|1914|1945|1968|1975|1984|1989|1990|1999|2000|2001|2008|2012|2016|2020|2024|2025|2026",
    "month": "January|February|March|April|May|June|July|August|September|October|November|December",
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "clock": "6:00|7:15|7:30|8:00|8:45|9:05|9:30|10:00|10:20|11:00|noon|midnight|12:30|1:15 p.m.|2:00|3:40|4:30"
    "|5:00 p.m."
    "|half past six|a quarter to nine|ten o'clock|18:00|20:30|22:10",
    "amount": "$1|$2.50|$3|$4.99|$5|$7.25|$10|$12.50|$15|$19.90|$20|$35|$50|$99|$100|$1,200|five dollars"
    "|ten cents|€20|£8.50",
    "city": "London|Paris|New York|Berlin|Rome|Boston|Chicago|Tokyo|Madrid|Dublin|Sydney|Toronto|Vienna|Denver|Dallas",
    "vehicle": "train|bus|plane|boat|ferry|taxi|night train",
    "relative": "mother|father|sister|brother|aunt|uncle|cousin|grandmother|grandfather|daughter|son|wife|husband",
    "food": "bread|butter|cheese|milk|coffee|tea|water|rice|soup|fish|chicken|salad|potatoes|tomatoes|apples|oranges"
    "|eggs|sugar|salt|pepper|cake|ice cream|juice|beans|onions|honey|chocolate|meat|lemons|carrots",
    "meal": "breakfast|lunch|dinner|supper",
    "animal": "dog|cat|horse|bird|cow|mouse|rabbit|fox|bear|duck|sheep|pig",
    "side": "left|right",
}

SHORT: Final = (
    "Yes.|No.|Hello.|Hi there!|Good evening.|Good night.|Goodbye.|Thank you.|Thanks a lot!|You're welcome.|Excuse me."
    "|I'm sorry.|One moment, please.|Just a second.|Really?|Of course.|Sure.|Why not?|How are you?|I'm fine."
    "|Who is there?"
    "|Come in.|What is your name?|Nice to meet you.|Where are you?|See you later.|Take care.|Good luck!"
    "|Never mind.|No problem."
    "|Stop.|Wait!|Please continue.|I see.|That's right.|Maybe.|Not yet.|Welcome.|Well done!|Okay."
)
