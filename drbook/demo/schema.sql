-- A rental business: several agencies, their vehicles and customers, bookings and payments.
CREATE TYPE reservation_state AS ENUM ('requested', 'confirmed', 'picked_up', 'returned', 'cancelled');

CREATE TABLE tenants (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    country text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE branches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenants,
    city text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE vehicles (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    branch_id bigint NOT NULL REFERENCES branches,
    plate text NOT NULL UNIQUE,
    class text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenants,
    name text NOT NULL,
    email text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE reservations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL REFERENCES vehicles,
    customer_id bigint NOT NULL REFERENCES customers,
    state reservation_state NOT NULL,
    pickup_at timestamptz NOT NULL,
    return_at timestamptz NOT NULL,
    total_cents bigint NOT NULL CHECK (total_cents > 0),
    created_at timestamptz NOT NULL,
    CHECK (return_at > pickup_at)
);
CREATE TABLE payments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reservation_id bigint NOT NULL REFERENCES reservations,
    provider_id text NOT NULL UNIQUE,
    amount_cents bigint NOT NULL,
    currency char(3) NOT NULL DEFAULT 'EUR',
    created_at timestamptz NOT NULL
);
CREATE TABLE vehicle_positions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL REFERENCES vehicles,
    latitude numeric(8, 5) NOT NULL,
    longitude numeric(8, 5) NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE audit_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor text NOT NULL,
    detail jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
-- Empty, and rightly so: nothing has been imported yet.
CREATE TABLE legacy_import (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line text NOT NULL
);

CREATE INDEX ON reservations (pickup_at);
CREATE INDEX ON payments (reservation_id);
CREATE INDEX ON vehicle_positions (vehicle_id, created_at);
CREATE VIEW open_reservations AS
    SELECT r.*, c.name AS customer FROM reservations r JOIN customers c ON c.id = r.customer_id
     WHERE r.state IN ('requested', 'confirmed');

CREATE ROLE rental_app NOLOGIN;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO rental_app;
