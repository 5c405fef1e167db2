-- create schema geo
CREATE SCHEMA geo;

-- create table geo.airports with 2 columns
CREATE TABLE geo.airports (
  key uuid DEFAULT (uuidv7()) NOT NULL,
  icao text,
  CONSTRAINT airports_pkey PRIMARY KEY (key)
);
