"""A database that has a little of everything: what a dump must bring back besides rows."""

RICH = r"""
CREATE SCHEMA app;
CREATE EXTENSION hstore SCHEMA public;
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'it''s great');
CREATE DOMAIN app.amount AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE TYPE app.pair AS (a int, b text);
CREATE TYPE app.span AS RANGE (subtype = int);
CREATE SEQUENCE app.invoice_no START 1000 INCREMENT 10;
CREATE SEQUENCE app.countdown INCREMENT -1 MAXVALUE 100 START 100;
CREATE TABLE app.customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL,
  mood app.mood DEFAULT 'ok', owed app.amount, both_ways text GENERATED ALWAYS AS (upper(name)) STORED,
  attributes hstore, "Odd ""col" int);
CREATE TABLE app.orders (
  id serial PRIMARY KEY, customer bigint NOT NULL REFERENCES app.customers, no int
  DEFAULT nextval('app.invoice_no'), note text, CONSTRAINT short CHECK (length(note) < 100));
CREATE INDEX orders_note ON app.orders (lower(note)) WHERE note IS NOT NULL;
CREATE UNIQUE INDEX orders_no ON app.orders (no);
CREATE STATISTICS app.orders_stats ON customer, no FROM app.orders;
CREATE TABLE app.events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
CREATE TABLE app.parent (id int);
CREATE TABLE app.child (more text) INHERITS (app.parent);
CREATE UNLOGGED TABLE app.sessions (id int);
CREATE VIEW app.happy AS SELECT id, name FROM app.customers WHERE mood = 'it''s great';
CREATE MATERIALIZED VIEW app.totals AS SELECT customer, count(*) AS n FROM app.orders GROUP BY 1;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := coalesce(NEW.note, '-'); RETURN NEW; END $$;
CREATE FUNCTION app.add(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE AGGREGATE app.total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE TRIGGER touch BEFORE INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE RULE nothing AS ON DELETE TO app.parent DO INSTEAD NOTHING;
ALTER TABLE app.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.customers FOR SELECT TO app_user USING (name = CURRENT_USER);
CREATE OPERATOR app.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE TEXT SEARCH CONFIGURATION app.plain (COPY = simple);
GRANT SELECT, INSERT ON app.orders TO app_user;
GRANT SELECT (name) ON app.customers TO app_user;
GRANT USAGE ON SCHEMA app TO app_user;
REVOKE EXECUTE ON FUNCTION app.add(int, int) FROM PUBLIC;
INSERT INTO app.customers (name, mood) SELECT 'c' || n, 'ok' FROM generate_series(1, 20) n;
INSERT INTO app.orders (customer, note) SELECT n, 'note ' || n FROM generate_series(1, 20) n;
INSERT INTO app.events SELECT '2025-06-01'::date + n, 'e' FROM generate_series(1, 400) n;
SELECT nextval('app.countdown');
CREATE TABLE app.loose (id int PRIMARY KEY, of_order int);
INSERT INTO app.loose VALUES (1, 1), (2, NULL);
ALTER TABLE app.loose ADD CONSTRAINT loose_order FOREIGN KEY (of_order) REFERENCES app.orders NOT VALID;
REFRESH MATERIALIZED VIEW app.totals;
"""
ROLES = "CREATE ROLE app_user;"
