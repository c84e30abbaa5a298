-- Later waves of schools: each is committed and drawn by itself; what the first wave left is never touched. The other dialect's file declares the same tables and columns.

-- what will be drawn in wave 2, 3, …, and from which chance
CREATE TABLE wave_commitment (
  trial_id text COLLATE "C" NOT NULL,
  wave bigint NOT NULL CONSTRAINT wave_commitment_wave_valid CHECK (wave >= 2),
  roster bigint NOT NULL,
  source text COLLATE "C" NOT NULL,
  text text COLLATE "C" NOT NULL,
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  CONSTRAINT wave_commitment_key PRIMARY KEY (trial_id, wave),
  CONSTRAINT wave_commitment_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id),
  CONSTRAINT wave_commitment_roster FOREIGN KEY (trial_id, roster) REFERENCES roster (trial_id, version)
);

-- the one draw of wave 2, 3, …
CREATE TABLE wave_draw (
  trial_id text COLLATE "C" NOT NULL,
  wave bigint NOT NULL,
  roster bigint NOT NULL,
  chance text COLLATE "C" NOT NULL CONSTRAINT wave_draw_chance_valid CHECK (length(chance) = 64),
  allocation_text text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL CONSTRAINT wave_draw_digest_valid CHECK (length(digest) = 64),
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  confirmed_by text COLLATE "C" NOT NULL,
  CONSTRAINT wave_draw_key PRIMARY KEY (trial_id, wave),
  CONSTRAINT wave_draw_commitment FOREIGN KEY (trial_id, wave) REFERENCES wave_commitment (trial_id, wave)
);

-- what the chance of wave 2, 3, … was taken from
CREATE TABLE wave_evidence (
  trial_id text COLLATE "C" NOT NULL,
  wave bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  text text COLLATE "C" NOT NULL,
  CONSTRAINT wave_evidence_key PRIMARY KEY (trial_id, wave, name),
  CONSTRAINT wave_evidence_draw FOREIGN KEY (trial_id, wave) REFERENCES wave_draw (trial_id, wave)
);

CREATE TRIGGER wave_commitment_no_update BEFORE UPDATE ON wave_commitment FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER wave_commitment_no_delete BEFORE DELETE ON wave_commitment FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER wave_commitment_no_truncate BEFORE TRUNCATE ON wave_commitment FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER wave_draw_no_update BEFORE UPDATE ON wave_draw FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER wave_draw_no_delete BEFORE DELETE ON wave_draw FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER wave_draw_no_truncate BEFORE TRUNCATE ON wave_draw FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER wave_evidence_no_update BEFORE UPDATE ON wave_evidence FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER wave_evidence_no_delete BEFORE DELETE ON wave_evidence FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER wave_evidence_no_truncate BEFORE TRUNCATE ON wave_evidence FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
