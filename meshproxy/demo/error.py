"""What ends the demo early."""


class DemoError(Exception):
    """A piece of the demo does not work; the message is one line for the user."""
