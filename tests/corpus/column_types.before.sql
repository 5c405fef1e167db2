CREATE SCHEMA geo;
CREATE TYPE geo.mood AS ENUM ('sad', 'ok');
CREATE TYPE geo."Mixed Case" AS ENUM ('a');
CREATE DOMAIN geo.positive AS integer CHECK (VALUE > 0);
GRANT USAGE, CREATE ON SCHEMA geo TO PUBLIC;
