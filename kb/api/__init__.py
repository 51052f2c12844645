"""The HTTP server: the native API, the OpenAI-compatible one, keys and limits.

Everything is answered by KnowledgeBase; what is here speaks HTTP.
"""
