// The page of an invitation. The token stands behind the # of the address, which browsers send to no server.
"use strict";

const find = (id) => document.getElementById(id);
const token = location.hash.slice(1);
// Should the answer be lost, pressing the button again gets the same one: else the key would be gone.
const once = crypto.getRandomValues(new Uint32Array(4)).join("-");

function say(words) {
  find("state").textContent = words;
  find("state").hidden = words === "";
}

async function ask(path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(`api/v1/invitations/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
      credentials: "omit",
    });
    const found = await answer.json();
    return answer.ok ? { found } : { problem: found };
  } catch {
    return { problem: { code: "", detail: "The service could not be reached: try again." } };
  }
}

async function open() {
  if (token === "") {
    say("This address holds no invitation: open the whole link that you were given.");
    return;
  }
  const { found, problem } = await ask("look-up", { token });
  if (problem) {
    say(problem.code === "not-found" ? "There is no such invitation: ask for another link." : problem.detail);
    return;
  }
  find("organization").textContent = found.organization_name;
  find("role").textContent = found.role;
  find("expires").textContent = new Date(found.expires_at).toLocaleString();
  find("email").value = found.email;
  say("");
  find("form").hidden = false;
}

async function accept(event) {
  event.preventDefault();
  find("accept").disabled = true;
  const body = { token, display_name: find("name").value, password: find("password").value };
  const { found, problem } = await ask("accept", body, { "Idempotency-Key": once });
  find("accept").disabled = false;
  if (problem) {
    say(problem.detail);
    return;
  }
  say("");
  find("form").remove();
  find("joined").textContent = found.organization.name;
  find("key").textContent = found.api_key.key;
  find("done").hidden = false;
  // The token is spent; it need not stay in the browser's history.
  history.replaceState(null, "", location.pathname);
}

find("form").addEventListener("submit", accept);
open();
