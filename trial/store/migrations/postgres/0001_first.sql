-- The first shape of the store. The other dialect's file declares the same tables and columns.

CREATE FUNCTION evenhand_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'EH001';
END $$;

-- one line a trial
CREATE TABLE trial (
  trial_id text COLLATE "C" NOT NULL,
  title text COLLATE "C" NOT NULL,
  made_at text COLLATE "C" NOT NULL,
  CONSTRAINT trial_key PRIMARY KEY (trial_id)
);

-- every change; the bytes that were hashed
CREATE TABLE ledger (
  trial_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL CONSTRAINT ledger_seq_valid CHECK (seq >= 1),
  text text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL CONSTRAINT ledger_digest_valid CHECK (length(digest) = 64),
  CONSTRAINT ledger_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT ledger_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- every version of trial.yaml
CREATE TABLE protocol (
  trial_id text COLLATE "C" NOT NULL,
  version bigint NOT NULL CONSTRAINT protocol_version_valid CHECK (version >= 1),
  text text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL CONSTRAINT protocol_digest_valid CHECK (length(digest) = 64),
  at text COLLATE "C" NOT NULL,
  author text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  CONSTRAINT protocol_key PRIMARY KEY (trial_id, version),
  CONSTRAINT protocol_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- where each school stands in recruitment
CREATE TABLE school (
  trial_id text COLLATE "C" NOT NULL,
  school_id text COLLATE "C" NOT NULL CONSTRAINT school_school_id_valid CHECK (length(school_id) BETWEEN 1 AND 64),
  name text COLLATE "C" NOT NULL,
  attributes text COLLATE "C" NOT NULL,
  stage text COLLATE "C" NOT NULL CONSTRAINT school_stage_valid CHECK (stage IN ('listed', 'approached', 'interested', 'agreement signed', 'baseline data received', 'ready', 'ineligible', 'declined', 'withdrew before the draw')),
  since text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  note text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  CONSTRAINT school_key PRIMARY KEY (trial_id, school_id),
  CONSTRAINT school_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- each step of a school's way through recruitment
CREATE TABLE stage_change (
  trial_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  school_id text COLLATE "C" NOT NULL,
  from_stage text COLLATE "C" NOT NULL,
  to_stage text COLLATE "C" NOT NULL,
  changed_on text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  note text COLLATE "C" NOT NULL,
  CONSTRAINT stage_change_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT stage_change_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT stage_change_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id)
);

-- who signed a school's agreement, and when
CREATE TABLE signature (
  trial_id text COLLATE "C" NOT NULL,
  school_id text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  signed_on text COLLATE "C" NOT NULL,
  CONSTRAINT signature_key PRIMARY KEY (trial_id, school_id, role),
  CONSTRAINT signature_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT signature_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id)
);

-- the only table with names, UPNs and addresses
CREATE TABLE identity (
  trial_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CONSTRAINT identity_kind_valid CHECK (kind IN ('pupil', 'leader')),
  person text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  number text COLLATE "C" NOT NULL,
  email text COLLATE "C" NOT NULL,
  CONSTRAINT identity_key PRIMARY KEY (trial_id, kind, person),
  CONSTRAINT identity_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- who leads the programme in a school, by pseudonymous ID
CREATE TABLE leader (
  trial_id text COLLATE "C" NOT NULL,
  person text COLLATE "C" NOT NULL,
  school_id text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  named_on text COLLATE "C" NOT NULL,
  left_on text COLLATE "C" NOT NULL,
  CONSTRAINT leader_key PRIMARY KEY (trial_id, person),
  CONSTRAINT leader_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT leader_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id)
);

-- members of staff, as far as surveys need them
CREATE TABLE staff (
  trial_id text COLLATE "C" NOT NULL,
  staff_id text COLLATE "C" NOT NULL,
  school_id text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  years text COLLATE "C" NOT NULL,
  CONSTRAINT staff_key PRIMARY KEY (trial_id, staff_id),
  CONSTRAINT staff_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT staff_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id)
);

-- answers to a round of a survey
CREATE TABLE response (
  trial_id text COLLATE "C" NOT NULL,
  survey text COLLATE "C" NOT NULL,
  round text COLLATE "C" NOT NULL,
  staff_id text COLLATE "C" NOT NULL,
  answered_on text COLLATE "C" NOT NULL,
  CONSTRAINT response_key PRIMARY KEY (trial_id, survey, round, staff_id),
  CONSTRAINT response_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT response_staff FOREIGN KEY (trial_id, staff_id) REFERENCES staff (trial_id, staff_id)
);

-- pupils by pseudonymous ID
CREATE TABLE pupil (
  trial_id text COLLATE "C" NOT NULL,
  pupil_id text COLLATE "C" NOT NULL CONSTRAINT pupil_pupil_id_valid CHECK (length(pupil_id) BETWEEN 1 AND 64),
  school_id text COLLATE "C" NOT NULL,
  joiner bigint NOT NULL CONSTRAINT pupil_joiner_valid CHECK (joiner IN (0, 1)),
  attributes text COLLATE "C" NOT NULL,
  CONSTRAINT pupil_key PRIMARY KEY (trial_id, pupil_id),
  CONSTRAINT pupil_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT pupil_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id)
);

-- measurements; a corrected score is a new revision
CREATE TABLE score (
  trial_id text COLLATE "C" NOT NULL,
  measure text COLLATE "C" NOT NULL,
  person text COLLATE "C" NOT NULL,
  revision bigint NOT NULL CONSTRAINT score_revision_valid CHECK (revision >= 1),
  value double precision CONSTRAINT score_value_number CHECK (value <> 'NaN' AND value <> 'Infinity' AND value <> '-Infinity'),
  missing text COLLATE "C" NOT NULL,
  CONSTRAINT score_key PRIMARY KEY (trial_id, measure, person, revision),
  CONSTRAINT score_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT score_value_or_reason CHECK ((value IS NULL) = (length(missing) > 0))
);

-- what was locked: the exact texts
CREATE TABLE roster (
  trial_id text COLLATE "C" NOT NULL,
  version bigint NOT NULL CONSTRAINT roster_version_valid CHECK (version >= 1),
  protocol bigint NOT NULL,
  design_text text COLLATE "C" NOT NULL,
  roster_text text COLLATE "C" NOT NULL,
  pupils_text text COLLATE "C" NOT NULL,
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  CONSTRAINT roster_key PRIMARY KEY (trial_id, version),
  CONSTRAINT roster_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- what will be drawn, and from which chance
CREATE TABLE commitment (
  trial_id text COLLATE "C" NOT NULL,
  roster bigint NOT NULL,
  source text COLLATE "C" NOT NULL,
  text text COLLATE "C" NOT NULL,
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  CONSTRAINT commitment_key PRIMARY KEY (trial_id),
  CONSTRAINT commitment_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- the one draw
CREATE TABLE draw (
  trial_id text COLLATE "C" NOT NULL,
  roster bigint NOT NULL,
  chance text COLLATE "C" NOT NULL CONSTRAINT draw_chance_valid CHECK (length(chance) = 64),
  allocation_text text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL CONSTRAINT draw_digest_valid CHECK (length(digest) = 64),
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  confirmed_by text COLLATE "C" NOT NULL,
  CONSTRAINT draw_key PRIMARY KEY (trial_id),
  CONSTRAINT draw_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- the draw's lines, for queries
CREATE TABLE assignment (
  trial_id text COLLATE "C" NOT NULL,
  school_id text COLLATE "C" NOT NULL,
  arm text COLLATE "C" NOT NULL,
  community bigint NOT NULL CONSTRAINT assignment_community_valid CHECK (community >= 0),
  CONSTRAINT assignment_key PRIMARY KEY (trial_id, school_id),
  CONSTRAINT assignment_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT assignment_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id),
  CONSTRAINT assignment_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
);

-- a trial that ended before its draw
CREATE TABLE stop (
  trial_id text COLLATE "C" NOT NULL,
  stopped_on text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  CONSTRAINT stop_key PRIMARY KEY (trial_id),
  CONSTRAINT stop_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- who was at which session
CREATE TABLE attendance (
  trial_id text COLLATE "C" NOT NULL,
  session text COLLATE "C" NOT NULL,
  person text COLLATE "C" NOT NULL,
  school_id text COLLATE "C" NOT NULL,
  attended bigint NOT NULL CONSTRAINT attendance_attended_valid CHECK (attended IN (0, 1)),
  CONSTRAINT attendance_key PRIMARY KEY (trial_id, session, person),
  CONSTRAINT attendance_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT attendance_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id),
  CONSTRAINT attendance_leader FOREIGN KEY (trial_id, person) REFERENCES leader (trial_id, person)
);

-- who left, from what and why; nobody leaves the roster
CREATE TABLE withdrawal (
  trial_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  level text COLLATE "C" NOT NULL CONSTRAINT withdrawal_level_valid CHECK (level IN ('school', 'pupil')),
  subject text COLLATE "C" NOT NULL,
  left_what text COLLATE "C" NOT NULL CONSTRAINT withdrawal_left_what_valid CHECK (left_what IN ('programme', 'data', 'both')),
  left_on text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  note text COLLATE "C" NOT NULL,
  CONSTRAINT withdrawal_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT withdrawal_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- each file taken in, with its reconciliation
CREATE TABLE import (
  trial_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  file text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  rows bigint NOT NULL,
  stored bigint NOT NULL,
  not_stored text COLLATE "C" NOT NULL,
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  CONSTRAINT import_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT import_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- each run of the plan, at full precision
CREATE TABLE analysis (
  trial_id text COLLATE "C" NOT NULL,
  run bigint NOT NULL CONSTRAINT analysis_run_valid CHECK (run >= 1),
  protocol bigint NOT NULL,
  data_digest text COLLATE "C" NOT NULL,
  results_text text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  CONSTRAINT analysis_key PRIMARY KEY (trial_id, run),
  CONSTRAINT analysis_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- what became of those randomised, by arm and level
CREATE TABLE flow (
  trial_id text COLLATE "C" NOT NULL,
  run bigint NOT NULL,
  outcome text COLLATE "C" NOT NULL,
  level text COLLATE "C" NOT NULL CONSTRAINT flow_level_valid CHECK (level IN ('school', 'pupil')),
  arm text COLLATE "C" NOT NULL,
  randomised bigint NOT NULL,
  analysed bigint NOT NULL CONSTRAINT flow_analysed_valid CHECK (analysed >= 0),
  lost bigint NOT NULL CONSTRAINT flow_lost_valid CHECK (lost >= 0),
  CONSTRAINT flow_key PRIMARY KEY (trial_id, run, outcome, level, arm),
  CONSTRAINT flow_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT flow_analysis FOREIGN KEY (trial_id, run) REFERENCES analysis (trial_id, run),
  CONSTRAINT flow_conserved CHECK (randomised = analysed + lost)
);

-- why those lost were lost
CREATE TABLE loss (
  trial_id text COLLATE "C" NOT NULL,
  run bigint NOT NULL,
  outcome text COLLATE "C" NOT NULL,
  level text COLLATE "C" NOT NULL,
  arm text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL CONSTRAINT loss_reason_valid CHECK (length(reason) > 0),
  n bigint NOT NULL CONSTRAINT loss_n_valid CHECK (n > 0),
  CONSTRAINT loss_key PRIMARY KEY (trial_id, run, outcome, level, arm, reason),
  CONSTRAINT loss_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT loss_flow FOREIGN KEY (trial_id, run, outcome, level, arm) REFERENCES flow (trial_id, run, outcome, level, arm)
);

-- copies of the ledger's head that somebody else holds
CREATE TABLE receipt (
  trial_id text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  head text COLLATE "C" NOT NULL,
  made_at text COLLATE "C" NOT NULL,
  holder text COLLATE "C" NOT NULL,
  CONSTRAINT receipt_key PRIMARY KEY (trial_id, size, holder),
  CONSTRAINT receipt_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
);

-- What was recorded stays: only a school's or a leader's present state may be
-- changed (each change is an entry of the ledger), and only a person's
-- identity may be erased.
CREATE TRIGGER trial_no_update BEFORE UPDATE ON trial FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER trial_no_delete BEFORE DELETE ON trial FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER trial_no_truncate BEFORE TRUNCATE ON trial FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER protocol_no_update BEFORE UPDATE ON protocol FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER protocol_no_delete BEFORE DELETE ON protocol FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER protocol_no_truncate BEFORE TRUNCATE ON protocol FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER school_no_delete BEFORE DELETE ON school FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER school_no_truncate BEFORE TRUNCATE ON school FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER stage_change_no_update BEFORE UPDATE ON stage_change FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER stage_change_no_delete BEFORE DELETE ON stage_change FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER stage_change_no_truncate BEFORE TRUNCATE ON stage_change FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER signature_no_update BEFORE UPDATE ON signature FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER signature_no_delete BEFORE DELETE ON signature FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER signature_no_truncate BEFORE TRUNCATE ON signature FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER leader_no_delete BEFORE DELETE ON leader FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER leader_no_truncate BEFORE TRUNCATE ON leader FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER staff_no_delete BEFORE DELETE ON staff FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER staff_no_truncate BEFORE TRUNCATE ON staff FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER response_no_update BEFORE UPDATE ON response FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER response_no_delete BEFORE DELETE ON response FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER response_no_truncate BEFORE TRUNCATE ON response FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER pupil_no_update BEFORE UPDATE ON pupil FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER pupil_no_delete BEFORE DELETE ON pupil FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER pupil_no_truncate BEFORE TRUNCATE ON pupil FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER score_no_update BEFORE UPDATE ON score FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER score_no_delete BEFORE DELETE ON score FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER score_no_truncate BEFORE TRUNCATE ON score FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER roster_no_update BEFORE UPDATE ON roster FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER roster_no_delete BEFORE DELETE ON roster FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER roster_no_truncate BEFORE TRUNCATE ON roster FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER commitment_no_update BEFORE UPDATE ON commitment FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER commitment_no_delete BEFORE DELETE ON commitment FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER commitment_no_truncate BEFORE TRUNCATE ON commitment FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER draw_no_update BEFORE UPDATE ON draw FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER draw_no_delete BEFORE DELETE ON draw FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER draw_no_truncate BEFORE TRUNCATE ON draw FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER assignment_no_update BEFORE UPDATE ON assignment FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER assignment_no_delete BEFORE DELETE ON assignment FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER assignment_no_truncate BEFORE TRUNCATE ON assignment FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER stop_no_update BEFORE UPDATE ON stop FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER stop_no_delete BEFORE DELETE ON stop FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER stop_no_truncate BEFORE TRUNCATE ON stop FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER attendance_no_update BEFORE UPDATE ON attendance FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER attendance_no_delete BEFORE DELETE ON attendance FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER attendance_no_truncate BEFORE TRUNCATE ON attendance FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER withdrawal_no_update BEFORE UPDATE ON withdrawal FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER withdrawal_no_delete BEFORE DELETE ON withdrawal FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER withdrawal_no_truncate BEFORE TRUNCATE ON withdrawal FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER import_no_update BEFORE UPDATE ON import FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER import_no_delete BEFORE DELETE ON import FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER import_no_truncate BEFORE TRUNCATE ON import FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER analysis_no_update BEFORE UPDATE ON analysis FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER analysis_no_delete BEFORE DELETE ON analysis FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER analysis_no_truncate BEFORE TRUNCATE ON analysis FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER flow_no_update BEFORE UPDATE ON flow FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER flow_no_delete BEFORE DELETE ON flow FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER flow_no_truncate BEFORE TRUNCATE ON flow FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER loss_no_update BEFORE UPDATE ON loss FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER loss_no_delete BEFORE DELETE ON loss FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER loss_no_truncate BEFORE TRUNCATE ON loss FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER receipt_no_delete BEFORE DELETE ON receipt FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER receipt_no_truncate BEFORE TRUNCATE ON receipt FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();

CREATE INDEX pupil_by_school ON pupil (trial_id, school_id);
CREATE INDEX staff_by_school ON staff (trial_id, school_id);
CREATE INDEX stage_change_by_school ON stage_change (trial_id, school_id);
CREATE INDEX score_by_person ON score (trial_id, person);
