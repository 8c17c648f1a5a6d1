-- id: format.unknown_shape
-- severity: fail
-- reason: A row that no trainer takes for a conversation is not trained, or stops the run.
-- message: {rows} rows hold no conversation
-- hint: Use {"messages": [{"role": "user", "content": "…"}, …]}; docs/checks.md lists the other shapes.
SELECT file, line, detail FROM faults WHERE kind = 'shape'
