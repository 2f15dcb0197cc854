"""check.py tells what is wrong from what is right: `python3 -m unittest test_check` in this directory."""

import copy
import unittest

import check

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "any": [1]}}}
RIGHT = {
    "chat": {
        "model": "m",
        "stream": True,
        "messages": [
            {"role": "user", "content": "look"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "a", "content": "found"},
        ],
        "tools": [TOOL],
    },
    "responses": {
        "model": "m",
        "stream": True,
        "store": False,
        "input": [
            {"role": "user", "content": "look"},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "found"},
        ],
    },
    "messages": {
        "model": "m",
        "stream": True,
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "look"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"any": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "found"}]},
        ],
    },
}


def faults(format_name, change=lambda body: None, beyond=()):
    body = copy.deepcopy(RIGHT[format_name])
    change(body)
    return check.faults({"format": format_name, "body": body, "beyond": beyond})


def set_at(*place):
    """Sets the last of a path to the one before it: `set_at("messages", 0, "role", "nobody")`."""

    def change(body):
        *path, name, value = place
        for step in path:
            body = body[step]
        body[name] = value

    return change


class Check(unittest.TestCase):
    def test_what_is_right_passes(self):
        for format_name in RIGHT:
            self.assertEqual(faults(format_name), [], format_name)

    def test_what_is_missing_or_of_another_type_is_a_fault(self):
        for format_name, change in [
            ("chat", lambda body: body.pop("model")),
            ("chat", lambda body: body["messages"][2].pop("tool_call_id")),
            ("chat", set_at("messages", 0, "role", "nobody")),
            ("chat", set_at("messages", 1, "tool_calls", 0, "function", "arguments", {})),
            ("responses", lambda body: body["input"][1].pop("name")),
            ("responses", set_at("input", 2, "type", "output")),
            ("responses", set_at("store", "false")),
            ("messages", lambda body: body.pop("max_tokens")),
            ("messages", set_at("max_tokens", "9")),
            ("messages", set_at("messages", 2, "content", 0, "type", "result")),
            ("messages", set_at("messages", 1, "content", 0, "input", "{}")),
        ]:
            self.assertNotEqual(faults(format_name, change), [], format_name)

    def test_an_unknown_key_is_a_fault_wherever_it_is(self):
        for format_name, *place in [
            ("chat",),
            ("chat", "messages", 0),
            ("chat", "messages", 1, "tool_calls", 0),
            ("chat", "tools", 0, "function"),
            ("responses",),
            ("responses", "input", 0),
            ("responses", "input", 1),
            ("messages",),
            ("messages", "messages", 0, "content", 0),
            ("messages", "messages", 2, "content", 0),
        ]:
            self.assertNotEqual(faults(format_name, set_at(*place, "wrong", 1)), [], place)
            self.assertEqual(faults(format_name, set_at(*place, "wrong", 1), beyond=["wrong"]), [], place)

    def test_every_object_but_the_free_ones_is_tried(self):
        for format_name, count in [("chat", 8), ("responses", 4), ("messages", 7)]:
            line = {"format": format_name, "body": copy.deepcopy(RIGHT[format_name]), "beyond": []}
            self.assertEqual(check.tried(line), (count, []), format_name)
            self.assertEqual(line["body"], RIGHT[format_name])


if __name__ == "__main__":
    unittest.main()
