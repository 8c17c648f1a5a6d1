-- id: format.double_wrap
-- severity: fail
-- reason: What the chat template adds once more appears twice: a call inside a call, a turn that ends in the middle.
-- hint: Wrap calls, results and turns once: either the data or the chat template does it, not both.
SELECT example, 'Calls that are wrapped inside a call' AS message, detail, 'fail' AS severity FROM problems WHERE kind = 'double_wrap'
UNION ALL
SELECT example, 'Tokens of a chat template inside messages',
    format('message {}: {}', position, token), 'fail'
FROM (
    -- Written in place: an expression in a column is compiled for each row.
    SELECT example, position, regexp_extract(content,
        '<\|(?:im_start|im_end|endoftext|begin_of_text|end_of_text|eot_id|eom_id|start_header_id|end_header_id)\|>'
        || '|<\|(?:system|user|assistant|end)\|>|<｜(?:User|Assistant|begin▁of▁sentence|end▁of▁sentence)｜>'
        || '|<(?:start|end)_of_turn>|\[/INST\]') AS token
    FROM messages
    -- To look for one character costs a third of looking for a text, and that a tenth of the expression.
    WHERE (contains(content, '<') AND (contains(content, '<|') OR contains(content, '<｜') OR contains(content, '_of_turn>')))
        OR (contains(content, '[') AND contains(content, '[/INST]'))
) WHERE token <> ''
UNION ALL
SELECT example, 'Tool results that already carry the tags that their template adds',
    format('message {}: {}', position, trim(content)[:40]), 'warn'
FROM messages
WHERE role = 'tool' AND written_role <> 'user' AND contains(content, '<')
    AND regexp_matches(content, '^\s*<(?:tool_response|tool_result|tool_output|function_response|function_results|observation)>')
