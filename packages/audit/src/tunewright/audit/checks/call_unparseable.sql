-- id: call.unparseable
-- severity: fail
-- reason: A call that cannot be parsed teaches calls that cannot be run.
-- message: {rows} calls cannot be parsed
-- hint: Parse every call when the row is made, and leave out what does not parse.
SELECT example, format('message {}: {}', message, error) AS detail FROM calls WHERE error <> ''
