"""Make labelled.csv: made notes in English and Spanish with the barriers a careful reader would name.

The clauses are written by hand, with the lists in sight; each stands in three settings (plain,
inside a longer note, and without accents or in capitals). Hard cases stand as they are. Run: python make_corpus.py
"""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

EN = {
    "health_physical": [
        "Has been sick since Monday",
        "Asthma acted up again last night",
        "Running a fever of 101",
        "Threw up on the way out the door",
        "Stomach bug going through the house",
        "Bad cough and a cold",
        "Broke his arm at the park",
        "Sent home with lice",
        "In the hospital for sickle cell",
        "Strep throat, contagious until Friday",
    ],
    "health_appointment": [
        "Had a doctor appointment at ten",
        "Dentist this morning",
        "Eye exam downtown",
        "Weekly therapy is during second period",
        "Mom took him to the clinic",
        "Saw the orthodontist",
    ],
    "mental_health": [
        "Feeling depressed since the move",
        "Panic attacks at night",
        "Sees a counselor for anxiety",
        "Grief after losing her uncle",
        "Says she feels numb and cannot get up",
    ],
    "transportation": [
        "Missed the bus again",
        "No ride this morning",
        "The car broke down on Route 6",
        "Bus never came",
        "Mom's car is in the shop",
        "No gas until payday",
        "Lost his bus pass",
        "Too far to walk in the dark",
        "Metrocard ran out",
    ],
    "child_care": [
        "Stays home to watch his sister",
        "Babysitting the twins while mom works nights",
        "Daycare closed so she kept the baby",
        "Takes care of little brothers in the morning",
        "No sitter for the youngest",
    ],
    "family_care": [
        "Funeral out of state",
        "Grandmother is in hospice",
        "There is a new baby at home",
        "Parents are going through a divorce",
        "Dad was deployed last week",
        "Mom had surgery and needed help",
    ],
    "housing": [
        "Family is staying at a shelter",
        "They got evicted on Tuesday",
        "Living doubled up with cousins",
        "Moved to a motel across town",
        "Apartment flooded",
        "Sleeping on an aunt's couch",
    ],
    "food": [
        "Comes in hungry most days",
        "There was no food at home",
        "Asked about the pantry",
        "Groceries ran out before the weekend",
    ],
    "clothing_hygiene": [
        "No clean clothes this week",
        "Uniform did not dry",
        "Needs shoes that fit",
        "The washing machine is broken and laundry piled up",
        "Embarrassed because the coat is torn",
    ],
    "student_work": [
        "Picked up a night shift at the warehouse",
        "Has a job until midnight",
        "Working at the store to help with rent",
        "Manager keeps adding hours",
    ],
    "safety_community": [
        "There was a shooting near the stop",
        "Feels unsafe on the corner by the park",
        "A gang waits outside",
        "Afraid of ICE near the school",
        "Family is worried about immigration",
    ],
    "legal_foster": [
        "Court date this morning",
        "Meeting with the case worker",
        "New foster placement",
        "Hearing got postponed",
    ],
    "sleep": ["Overslept, alarm did not ring", "Up all night gaming", "Tired every morning", "Nobody woke him"],
    "bullying": [
        "Kids bullied her on the stairs",
        "Gets picked on at lunch",
        "There was a fight after school and he is avoiding them",
        "Mean posts on social media",
        "They call him names in the hallway",
    ],
    "school_anxiety": [
        "Refuses to go in the mornings",
        "Cries at drop off",
        "Scared of the cafeteria",
        "Nervous about going back after so long",
        "Hides in the bathroom until the first bell is over",
    ],
    "discipline_climate": [
        "Says the rules are unfair",
        "Thinks he is always in trouble",
        "A teacher yelled at her",
        "Does not feel welcome since detention",
    ],
    "academic_struggle": [
        "Failing math and gave up",
        "Behind in class after the break",
        "Did not finish the homework and stayed away",
        "Cannot follow the lessons",
    ],
    "bored_no_purpose": [
        "Says class is boring",
        "Sees no point in it",
        "Calls school a waste of time",
        "Would rather draw all day",
    ],
    "skipping": [
        "Walked off with friends after lunch",
        "Caught skipping third period",
        "Ditching with the older kids",
        "Left through the gym door",
    ],
    "vacation_travel": [
        "Family trip to Florida",
        "On vacation until the tenth",
        "Out of town visiting family",
        "Went on a cruise",
        "Extended stay abroad",
    ],
    "special_day": [
        "Stayed home for her birthday",
        "Went shopping with cousins",
        "Took a long weekend",
        "Tickets to the game and a late night",
    ],
    "weather_personal": [
        "Kept home because of the snow",
        "Storm and rain all day",
        "Roads had ice and snow",
        "Too windy to go out",
    ],
    "suspension": ["Suspended for three days", "Still on suspension"],
    "religious": ["Home for Eid", "Church retreat", "Rosh Hashanah with the family"],
}
ES = {
    "health_physical": [
        "Está enfermo desde el lunes",
        "Tiene asma y usa el inhalador",
        "Amaneció con fiebre",
        "Tos y dolor de garganta",
        "Vómito toda la noche",
        "Le dio gripe",
        "Se rompió el brazo",
        "Le duele la panza",
    ],
    "health_appointment": [
        "Tenía cita con el dentista",
        "Fue al médico temprano",
        "Consulta en la clínica",
        "Le toca terapia los martes",
    ],
    "mental_health": [
        "Tiene ansiedad por las noches",
        "Está deprimida desde el cambio",
        "Va con el psicólogo",
        "Anda muy triste y no se levanta",
    ],
    "transportation": [
        "Perdió el camión otra vez",
        "El carro no prende",
        "No hay transporte en la mañana",
        "Se descompuso el coche",
        "Sin gasolina hasta el viernes",
        "Nadie le dio raite",
        "La guagua nunca pasó",
    ],
    "child_care": [
        "Se queda para cuidar a su hermano",
        "Cuida a los hermanitos",
        "Cerró la guardería",
        "La niñera canceló",
    ],
    "family_care": [
        "Hubo un funeral en la familia",
        "La abuela está muy mala",
        "Nació un bebé recién nacido en casa",
        "Emergencia familiar en la noche",
    ],
    "housing": [
        "Viven en un albergue",
        "Les dieron orden de desalojo",
        "Están en mudanza",
        "Duermen en la sala de una tía",
    ],
    "food": ["Llega con hambre", "Preguntó por la despensa", "Se acabó la comida en casa"],
    "clothing_hygiene": ["El uniforme no se secó", "Le faltan zapatos", "No tiene ropa limpia"],
    "student_work": ["Trabaja de noche en la bodega", "Entró al turno de la mañana", "Consiguió trabajo para ayudar"],
    "safety_community": ["Hubo una balacera cerca", "Tienen miedo de la migra", "La pandilla espera en la esquina"],
    "legal_foster": ["Tenía audiencia en la corte", "Vino la trabajadora social"],
    "sleep": ["Se quedó dormido", "Anda desvelado y cansado", "No sonó el despertador"],
    "bullying": ["Lo molestan en el recreo", "Se burlan de ella", "Pelea en el pasillo y ahora los evita"],
    "school_anxiety": ["No quiere ir a la escuela", "Llora en la puerta", "Se niega a ir desde enero"],
    "academic_struggle": ["Va reprobando matemáticas", "Atrasado en todo", "No terminó la tarea y se quedó"],
    "bored_no_purpose": ["Dice que está aburrido", "Siente que es pérdida de tiempo"],
    "skipping": ["Se fue de pinta", "Se escapó con los amigos"],
    "vacation_travel": ["De viaje con la familia", "Vacaciones en México", "Fuera del país hasta el diez"],
    "special_day": ["Era su cumpleaños", "Se fueron de compras"],
    "weather_personal": ["Mucha nieve y frío", "Por la tormenta y la lluvia"],
    "religious": ["Semana santa con la abuela paterna"],
}
AROUND_EN = (
    "Spoke with the family by phone. {}. Will check in on Thursday.",
    "{}, per attendance office; good talk, she smiled.",
)
AROUND_ES = ("Hablé con la familia. {}. Llamo el jueves.", "{}, según la oficina; buena plática.")
HARD = (
    ("Not sick, just tired.", "sleep"),
    ("She is not sick, she says.", ""),
    ("No fever, no cough today.", ""),
    ("Sin fiebre desde ayer.", ""),
    ("No tiene fiebre ni tos.", ""),
    ("Did not come, fever.", "health_physical"),
    ("No vino por fiebre.", "health_physical"),
    ("She never missed the bus this month!", ""),
    ("He has not been bullied since the change.", ""),
    ("Ya no lo molestan.", ""),
    ("Worked hard on the test and got a B.", ""),
    ("Great work this week.", ""),
    ("Good work on the art project.", ""),
    ("Period 3 is the favorite.", ""),
    ("We talked during second period.", ""),
    ("He drew a car.", ""),
    ("Loves the ice rink.", ""),
    ("The bus driver said hello.", ""),
    ("Cut out paper stars together.", ""),
    ("Played a game of chess.", ""),
    ("It was cold in the gym.", ""),
    ("Wants to be a doctor one day.", ""),
    ("Wants to work with animals.", ""),
    ("Quiere ser doctora.", ""),
    ("His shoes are new and he is proud.", ""),
    ("Reached the goal: five days in a row.", ""),
    ("Meta cumplida esta semana.", ""),
    ("Family joined the breakfast.", ""),
    ("Left a voice message, will try again.", "no_reason"),
    ("No answer.", "no_reason"),
    ("No contesta.", "no_reason"),
    ("Voicemail full.", "no_reason"),
    ("Bus late and car broke.", "transportation"),
    ("Sick and no ride.", "health_physical;transportation"),
    ("Fiebre y perdió el camión.", "health_physical;transportation"),
    ("Hungry and tired.", "food;sleep"),
    ("Court, then the dentist.", "legal_foster;health_appointment"),
    ("Has to work, picked up a shift.", "student_work"),
    ("Cold, cough and a runny nose.", "health_physical;minor_illness_kept_home"),
    ("Afraid of ICE on the way.", "safety_community"),
    ("ice and snow on the steps", "weather_personal"),
    ("No coat, stayed in.", "clothing_hygiene"),
    ("Doesn't have a car.", "transportation"),
    ("No internet at home for the remote day.", "device_internet"),
    ("Chromebook login failed on the remote day.", "device_internet"),
    ("La computadora no tiene internet.", "device_internet"),
    ("The inhaler is here, no problem.", ""),
    ("Brother is sick, she is fine.", ""),
    ("His mom is a nurse at the hospital.", ""),
    ("We read a book about a storm.", ""),
    ("Fire drill today.", ""),
    ("Sang in the church choir on Sunday.", ""),
    ("Wrote about a trip for class.", ""),
    ("Trabajo excelente en clase.", ""),
    ("Le gusta el frío.", ""),
    ("Dibujó un camión.", ""),
    ("Su abuela vino a verlo.", ""),
    ("Buena cita de lectura.", ""),
    ("Talked about soccer.", ""),
    ("Planning the celebration.", ""),
    ("New buddy at lunch.", ""),
    ("Greeted at the door, smiled.", ""),
    ("Saludó y se fue contento.", ""),
    ("Shared a snack.", ""),
    ("Homework club went well.", ""),
    ("Set a goal of two days.", ""),
    ("She feels safe now.", ""),
    ("Moved up a reading level.", ""),
    ("Moved seats in class.", ""),
    ("Her testing went fine.", ""),
    ("Passed the eye exam.", ""),
    ("Won the competition.", ""),
    ("Was suspended before, now doing well.", ""),
    ("Not bored anymore.", ""),
    ("No longer in the shelter.", ""),
)


def lines() -> list[tuple[str, str, str, str]]:
    """(language, kind, text, labels) of every note."""
    found = []
    for language, clauses, around in (("en", EN, AROUND_EN), ("es", ES, AROUND_ES)):
        for pattern, texts in clauses.items():
            for k, text in enumerate(texts):
                found.append((language, "plain", f"{text}.", pattern))
                found.append((language, "inside", around[k % 2].format(text), pattern))
                found.append((language, "rough", _rough(text, language), pattern))
    found += [("es" if any(c in text for c in "áéíóúñ") else "en", "hard", text, label) for text, label in HARD]
    return found


def _rough(text: str, language: str) -> str:
    if language == "es":
        return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).lower()
    return text.upper()


def main() -> None:
    path = Path(__file__).with_name("labelled.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["language", "kind", "text", "labels"])
        writer.writerows(lines())


if __name__ == "__main__":
    main()
