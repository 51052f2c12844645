"""Everything that assembles LlamaIndex: answers from documents, from tables and from both."""

import stores  # noqa: F401 - switches off what libraries would tell their makers
