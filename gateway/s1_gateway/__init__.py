"""The gateway: clients that people already have, in front of any number of Triton servers.

A protocol is a folder. All look the same:

- ``endpoints.py`` translates: the protocol's message into a ``SpeechOrder``, ``speech.py`` makes the sound, and back.
  It does no work of its own and holds no state.
- ``schemas.py`` has the protocol's messages as pydantic models; what is an option of the model takes its range from
  the table in ``s1_protocol``.
- ``errors.py`` has the protocol's envelope: how one ``Problem`` of the error core looks to its clients.

``app.py`` joins the folders and opens the typed state (``state.py``) that all of them share. Only ``speech.py`` asks
the engine for sound, only ``errors.py`` here decides what a failure means, only ``limits.py`` says no.

To add a protocol: make the folder, derive its router with ``routing.enveloped(render)``, name it in
``metrics.Door`` and in ``app.ROUTERS``, and give it an example in ``docs/gateway.md``, which a test runs.
"""
