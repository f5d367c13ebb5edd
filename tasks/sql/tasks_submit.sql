-- A new task with its first message, in a new context (p_new_context) or in one of the organization's (p_context).
-- Raises HF422 when context or agent are not the organization's.
CREATE OR REPLACE FUNCTION tasks_submit(
    p_organization uuid, p_task uuid, p_context uuid, p_new_context uuid, p_agent uuid, p_metadata json,
    p_message_id text, p_parts json, p_message_metadata json, p_owner uuid, p_actor text, p_request text)
RETURNS TABLE (new_generation bigint, document text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    made tasks_task;
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    IF p_agent IS NOT NULL THEN
        -- Locked against its deletion, which would else be met only at the commit, as a broken foreign key.
        PERFORM FROM orgs_agent a WHERE a.id = p_agent FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'The organization has no such agent.' USING ERRCODE = 'HF422';
        END IF;
    END IF;
    IF p_context IS NULL THEN
        INSERT INTO tasks_context (id, organization_id, owner_id, metadata, generation)
        VALUES (p_new_context, p_organization, p_owner, '{}', 1);
        INSERT INTO events_event (organization_id, subject_type, subject_id, generation, type, owner_id, actor,
                                  request_id, facts)
        VALUES (p_organization, 'context', p_new_context, 1, 'context.created', p_owner, p_actor, p_request, '{}');
    ELSE
        -- Locked against its deletion too; the constraint would take the same lock at the commit.
        PERFORM FROM tasks_context c WHERE c.id = p_context FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'The organization has no such context.' USING ERRCODE = 'HF422';
        END IF;
    END IF;
    INSERT INTO tasks_task (id, organization_id, context_id, owner_id, agent_id, state, metadata, generation,
                            message_count, message_bytes, artifact_count, lease_token)
    VALUES (p_task, p_organization, coalesce(p_context, p_new_context), p_owner, p_agent, 'submitted', p_metadata, 1,
            1, octet_length(p_parts::text) + octet_length(p_message_metadata::text), 0, 0)
    RETURNING * INTO made;
    INSERT INTO tasks_message (organization_id, task_id, number, owner_id, message_id, role, parts, metadata,
                               bytes_before, generation)
    VALUES (p_organization, p_task, 1, p_owner, p_message_id, 'user', p_parts, p_message_metadata, 0, 1);
    INSERT INTO events_event (organization_id, subject_type, subject_id, generation, type, owner_id, actor,
                              request_id, facts)
    VALUES (p_organization, 'task', p_task, 1, 'task.submitted', p_owner, p_actor, p_request,
            jsonb_build_object('state', 'submitted', 'number', 1, 'context_id', made.context_id, 'agent_id', p_agent));
    RETURN QUERY SELECT made.generation, tasks_json(made, 1)::text;
END $$;
