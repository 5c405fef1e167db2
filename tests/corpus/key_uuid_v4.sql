-- create schema geo
CREATE SCHEMA geo;

-- create table geo.airports with 2 columns
CREATE TABLE geo.airports (
  id uuid DEFAULT (gen_random_uuid()) NOT NULL,
  icao text,
  CONSTRAINT airports_pkey PRIMARY KEY (id)
);
