-- id: format.unknown_shape
-- severity: fail
-- reason: A row that no trainer takes for a conversation is not trained, or stops the run.
-- message: {rows} rows hold no conversation
-- hint: Use {"messages": [{"role": "user", "content": "…"}, …]}. Known: messages, conversations (ShareGPT), prompt/completion, instruction/output, input/output, prompt/chosen, query/answers/tools (xLAM), system/chat (Glaive), text with <|im_start|> or [INST]; docs/checks.md has more on each.
SELECT file, line, detail FROM faults WHERE kind = 'shape'
