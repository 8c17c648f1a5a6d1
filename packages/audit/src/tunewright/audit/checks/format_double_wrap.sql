-- id: format.double_wrap
-- severity: fail
-- reason: A call inside a call is read as text by some servers and as two calls by others.
-- message: {rows} messages wrap a call inside a call
-- hint: Wrap calls once: either the data or the chat template does it, not both.
SELECT example, detail FROM problems WHERE kind = 'double_wrap'
