"""Texts for generated chats. Some have non-ASCII or non-BMP characters, some match redaction rules."""

from typing import Final

GREETINGS: Final = (
    "Welcome & please wait.",
    "Welcome! An agent will be with you soon.",
    "Herzlich willkommen, bitte warten Sie einen Moment.",
)

CUSTOMER_PHRASES: Final = (
    "my order number is {number}",
    "Hello, I have a question about order {number}.",
    'It says "delivered" but nothing came <yet>',
    "You can write to visitor{visitor}@example.invalid",
    "Noch eine Frage: geht das auch am Samstag? Grüße",
    "Код {number}, спасибо",
    "ありがとうございます",
    "ok 👍",
    "yes",
    "No, I tried that already. The page only shows a spinner, then an error, and then I am back where I began.",
    "call me at 555-0100 please",
)

AGENT_PHRASES: Final = (
    "Let me look that up for you.",
    "I can see order {number}. One moment please.",
    "Your reference is {number}.",
    "That has been arranged; is there anything else I can do for you today?",
    "Vielen Dank für Ihre Geduld.",
    "Please open the page that I sent you & follow the three steps there.",
    "I understand.",
)

BOT_PHRASES: Final = (
    "Hello, I am a test bot.",
    "Please choose: 1 orders, 2 invoices, 3 something else.",
    "I did not understand that. Could you say it in other words?",
    "I am passing you on to a colleague.",
)

COACH_PHRASES: Final = (
    "Offer the second option.",
    "Ask for the order number first.",
    "You are doing well.",
)
