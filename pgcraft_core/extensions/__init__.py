"""Extensions: what adds plugins, dimension types and resource kinds without touching the engine."""
