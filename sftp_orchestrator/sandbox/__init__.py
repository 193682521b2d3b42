"""A receiver that behaves as CleverTap's import documents it: for the demo, rehearsals and tests.

It shares no code with what it checks: a mistake made on both sides would hide itself. ``receiver.Sandbox`` starts and
stops it, ``activity.read_activity`` tells what it saw. The facts it stands on are CleverTap's pages *Imports via SFTP*,
*File Upload Encryption* and *Imports: FAQs*.
"""
