"""How tokens are counted: vocabularies, what is in a prompt, and the rules of OpenAI and of others."""
