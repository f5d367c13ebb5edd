import time, statistics
from typing import Any
from django.db import connection
from orgs import tenancy
from tests import factories
from tests.factories import Caller
def test_probe(owner: Caller, organization: Any) -> None:
    org = organization.id
    c = connection.cursor()
    APP="SELECT new_generation FROM tasks_append_message(%s,%s,NULL,'m','user','[]','{}',%s,'a','r')"
    GET="SELECT generation FROM tasks_get(%s,%s,10)"
    def appends(tid, n, label):
        c.execute("SET synchronous_commit=off")
        c.execute("select pg_current_wal_insert_lsn()"); a = c.fetchone()[0]
        ts=[]
        for i in range(n):
            t0 = time.perf_counter(); c.execute(APP, [org, tid, org]); ts.append(time.perf_counter()-t0)
        c.execute("select pg_current_wal_insert_lsn() - %s::pg_lsn", [a]); w = c.fetchone()[0]
        print(label, "median ms", round(statistics.median(ts)*1e3,3), "min", round(min(ts)*1e3,3), "wal/append", w/n)
    def gets(tid, label):
        ts=[]
        for i in range(600):
            t0 = time.perf_counter(); c.execute(GET, [org, tid]); ts.append(time.perf_counter()-t0)
        print(label, "get median ms", round(statistics.median(ts)*1e3,3), "min", round(min(ts)*1e3,3))
    t = [factories.submit_task(owner)["id"] for _ in range(8)]
    c.execute("CHECKPOINT")
    appends(t[0], 200, "warm"); 
    appends(t[0], 1500, "as is")
    c.execute("DROP TRIGGER tasks_task_state ON tasks_task")
    appends(t[1], 1500, "no trigger")
    c.execute("CREATE TRIGGER tasks_task_state AFTER UPDATE OF state ON tasks_task FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION tasks_guard_state()")
    appends(t[2], 1500, "after trigger")
    c.execute("select conname from pg_constraint where conrelid='tasks_message'::regclass and confrelid='orgs_organization'::regclass"); n=c.fetchone()[0]
    c.execute(f'ALTER TABLE tasks_message DROP CONSTRAINT "{n}"')
    appends(t[3], 1500, "and no org fk")
    c.execute("ANALYZE tasks_message"); c.execute("ANALYZE tasks_task")
    gets(t[0], "get plain")
    c.execute("ALTER FUNCTION tasks_get(uuid,uuid,bigint) SET enable_seqscan=off")
    gets(t[0], "get seqscan off")
    gets(t[0], "get seqscan off")
    c.execute("ALTER FUNCTION tasks_get(uuid,uuid,bigint) RESET ALL")
    gets(t[0], "get plain")
    q="EXPLAIN SELECT t.id FROM tasks_task t WHERE t.organization_id = %s AND t.state IN ('submitted', 'working') AND (t.state = 'submitted' OR t.lease_expires_at <= clock_timestamp()) ORDER BY t.id LIMIT 1 FOR UPDATE SKIP LOCKED"
    with tenancy.organization(org):
        c.execute(q,[org]); [print(l) for (l,) in c.fetchall()]
        c.execute("set local enable_seqscan=off")
        c.execute(q,[org]); [print(l) for (l,) in c.fetchall()]
