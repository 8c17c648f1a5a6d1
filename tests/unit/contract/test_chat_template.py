"""A chat template is somebody's program: it runs in a sandbox, and however it fails is a refusal."""

import pytest

from tunewright.contract.chat_template import ChatTemplate, TemplateRefusal
from tunewright.contract.errors import UserError

MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% for m in messages %}\n{{ m.role }}: {{ m.content }}\n{% endfor %}\n", "user: Hello\n"),
        ("{{ bos_token }}{{ messages[0].content }}{% if add_generation_prompt %}>{% endif %}", "<s>Hello>"),
        ("{{ tools | tojson }}", '[{"name": "é"}]'),
        ("{{ strftime_now('%d %b %Y') }}", "01 Jan 2026"),
        ("{% generation %}answer{% endgeneration %}.", "answer."),
        ("{% for m in messages %}{% continue %}{% endfor %}none", "none"),
    ],
)
def test_a_template_renders_as_transformers_renders_it(template: str, text: str) -> None:
    rendered = ChatTemplate(template, {"bos_token": "<s>"}).render(MESSAGES, [{"name": "é"}], opened=True)
    assert rendered == text


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ raise_exception('roles must alternate') }}", "^roles must alternate$"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ messages.missing.field }}", "UndefinedError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ messages.append(1) }}", "SecurityError"),
        ("{{ messages | nothing }}", "nothing"),
        ("{{ range(10 ** 9) | list }}", "OverflowError"),
    ],
)
def test_however_it_fails_it_is_a_refusal(template: str, says: str) -> None:
    with pytest.raises((TemplateRefusal, UserError), match=says):
        ChatTemplate(template).render(MESSAGES)


def test_what_is_no_template_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="chat template cannot be read"):
        ChatTemplate("{% for m in %}")
