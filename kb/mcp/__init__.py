"""The server of the Model Context Protocol: tools that only read, documents as resources.

Everything is answered by KnowledgeBase; what is here speaks MCP. LlamaIndex, which takes seconds to
import, is imported with `backend`, when the first request needs it.
"""
