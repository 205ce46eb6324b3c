-- Agents that show certificates: one-time tokens, agents, what was issued.

-- +goose Up
CREATE TABLE enrol_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL,
    used_by    TEXT   NOT NULL,
    key_hash   TEXT   NOT NULL,
    revoked_at BIGINT NOT NULL,
    body       TEXT   NOT NULL
);

CREATE TABLE enrolled_agents (
    id         TEXT   NOT NULL PRIMARY KEY,
    site       TEXT   NOT NULL,
    machine    TEXT   NOT NULL,
    revoked_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    remote     TEXT   NOT NULL,
    body       TEXT   NOT NULL
);
CREATE INDEX enrolled_agents_machine ON enrolled_agents (machine);

CREATE TABLE agent_certificates (
    serial     TEXT   NOT NULL PRIMARY KEY,
    agent      TEXT   NOT NULL REFERENCES enrolled_agents (id),
    key_hash   TEXT   NOT NULL,
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    body       TEXT   NOT NULL
);
CREATE INDEX agent_certificates_agent ON agent_certificates (agent, key_hash);
CREATE INDEX agent_certificates_revoked ON agent_certificates (revoked_at);

-- +goose Down
DROP TABLE agent_certificates;
DROP TABLE enrolled_agents;
DROP TABLE enrol_tokens;
