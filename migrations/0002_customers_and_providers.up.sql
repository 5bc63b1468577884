-- Whom the messages are for and who carries them: reference data, filled by the seed.
CREATE TABLE providers (
  name        text PRIMARY KEY,
  channel     text NOT NULL,
  description text NOT NULL
);

INSERT INTO providers (name, channel, description) VALUES
  ('sms-mms', 'sms', 'SMS and MMS, by Twilio''s Messages API'),
  ('email', 'email', 'Email, by SendGrid''s mail/send API');

CREATE TABLE customers (
  id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name  text NOT NULL UNIQUE,
  phone text,
  email text
);
