-- Add one chunk to an artifact: the first one makes it (p_append false), later ones need it to be there and open.
-- Raises what tasks_append_message raises, HF424 (exists), HF425 (missing) and HF426 (complete).
CREATE OR REPLACE FUNCTION tasks_append_artifact(
    p_organization uuid, p_task uuid, p_expected bigint[], p_lease bigint, p_artifact_id text, p_name text,
    p_description text, p_metadata json, p_parts json, p_append boolean, p_last boolean, p_owner uuid, p_actor text, p_request text)
RETURNS TABLE (new_generation bigint, document text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    t tasks_task;
    a tasks_artifact;
    size int := octet_length(p_parts::text);
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    UPDATE tasks_task
    SET generation = generation + 1, artifact_count = artifact_count + (NOT p_append)::int
    WHERE id = p_task
      AND state NOT IN ('completed', 'canceled', 'failed', 'rejected')
      AND (p_expected IS NULL OR generation = ANY (p_expected))
      AND CASE WHEN p_lease IS NULL THEN lease_expires_at IS NULL OR lease_expires_at <= clock_timestamp()
               ELSE lease_token = p_lease AND lease_expires_at IS NOT NULL END
    RETURNING * INTO t;
    IF t.id IS NULL THEN
        PERFORM tasks_refuse(p_task, p_lease, p_expected);
    END IF;
    -- The task's row lock, held from here on, keeps other writers of its artifacts out.
    IF p_append THEN
        UPDATE tasks_artifact
        SET chunk_count = chunk_count + 1, chunk_bytes = chunk_bytes + size, complete = p_last, generation = t.generation
        WHERE task_id = p_task AND artifact_id = p_artifact_id AND NOT complete
        RETURNING * INTO a;
        IF a.artifact_id IS NULL THEN
            IF EXISTS (SELECT FROM tasks_artifact WHERE task_id = p_task AND artifact_id = p_artifact_id) THEN
                RAISE EXCEPTION 'The artifact is complete.' USING ERRCODE = 'HF426';
            END IF;
            RAISE EXCEPTION 'The task has no such artifact.' USING ERRCODE = 'HF425';
        END IF;
    ELSE
        INSERT INTO tasks_artifact (organization_id, task_id, artifact_id, owner_id, number, name, description, metadata,
                                    chunk_count, chunk_bytes, complete, generation)
        VALUES (p_organization, p_task, p_artifact_id, p_owner, t.artifact_count, p_name, p_description, p_metadata,
                1, size, p_last, t.generation)
        ON CONFLICT (task_id, artifact_id) DO NOTHING
        RETURNING * INTO a;
        IF a.artifact_id IS NULL THEN
            RAISE EXCEPTION 'The task has an artifact of this id.' USING ERRCODE = 'HF424';
        END IF;
    END IF;
    INSERT INTO tasks_artifactchunk (organization_id, task_id, artifact_id, owner_id, number, parts, bytes_before,
                                     generation)
    VALUES (p_organization, p_task, p_artifact_id, p_owner, a.chunk_count, p_parts, a.chunk_bytes - size,
            t.generation);
    INSERT INTO events_event (organization_id, subject_type, subject_id, generation, type, owner_id, actor,
                              request_id, facts)
    VALUES (p_organization, 'task', p_task, t.generation, 'task.artifact.appended', t.owner_id, p_actor, p_request,
            jsonb_build_object('artifact_id', p_artifact_id, 'chunk', a.chunk_count, 'last_chunk', p_last));
    RETURN QUERY SELECT t.generation, tasks_artifact_json(a)::text;
END $$;
