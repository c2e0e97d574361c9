// The import of a file step by step: how it would be read, corrections, a dry run, the import, what became of it. All by the API.

const byId = (id) => document.getElementById(id);
const api = document.body.dataset.api;
const caller = { "X-USER-ID": document.body.dataset.user };
const headBytes = 1 << 20; // what a preview looks at
const pieceBytes = 8 << 20; // of an upload
const fields = ["id", "email", "name", "firstName", "lastName", "city", "state", "age", "birthdate", "gender", "mobileNumber"];

let file = null; // that was chosen
let upload = null; // its id, once it is there
let guessed = []; // the field of each column, as found
let looks = 0; // previews that were asked for: only the answer to the last one is shown
let running = false; // while a file is sent and imported, no other is chosen

const say = (text) => { byId("wizard-status").textContent = text; };

function element(name, text, attributes = {}) {
  const e = document.createElement(name);
  if (text !== undefined) {
    e.textContent = text;
  }
  for (const [key, value] of Object.entries(attributes)) {
    e.setAttribute(key, value);
  }
  return e;
}

// failure returns what the API said in its error.
const failure = async (response) => (await refusal(response)).text;

async function refusal(response) {
  try {
    const e = await response.json();
    const fields = (e.details?.fieldErrors ?? []).map((f) => `${f.field} ${f.message}`);
    return { text: [...new Set([e.message, ...fields])].join("; "), columns: e.details?.file?.columns };
  } catch {
    return { text: `The answer was ${response.status}.` };
  }
}

// options are the parameters that were chosen; those about columns come from the table.
function options() {
  const q = new URLSearchParams();
  for (const [name, value] of new FormData(byId("options"))) {
    if (value !== "" && !(name === "key" && byId("options").onDuplicate.value === "insert")) {
      q.set(name, value);
    }
  }
  const chosen = [...document.querySelectorAll("#mapping select")];
  const used = new Set(chosen.map((s) => s.value));
  chosen.forEach((s, i) => {
    if (s.value !== guessed[i]) {
      if (s.value !== "") {
        q.append("map", `${s.value}:${s.dataset.column}`);
      }
      if (guessed[i] !== "" && !used.has(guessed[i])) {
        q.append("map", `${guessed[i]}:`);
      }
    }
  });
  return q;
}

async function preview() {
  const look = ++looks;
  say("Looking at the file …");
  const q = options();
  const cut = file.size > headBytes;
  if (cut) {
    q.set("partial", "true");
  }
  let response;
  try {
    response = await fetch(`${api}/import/preview?${q}`, { method: "POST", headers: { ...caller, "Content-Type": file.type || "application/octet-stream" }, body: file.slice(0, headBytes) });
  } catch {
    if (look === looks) {
      say("The server does not answer. Choose the file again to go on.");
    }
    return;
  }
  const found = response.ok ? await response.json() : await refusal(response);
  if (look !== looks || running) {
    return;
  }
  byId("options").hidden = false;
  byId("go").hidden = false;
  if (!response.ok) {
    const { text, columns } = found;
    byId("sample").hidden = true;
    byId("go").hidden = !cut || Boolean(columns);
    if (columns) {
      takeColumns(columns);
      say(`${text}. Say which column is what.`);
    } else {
      say(cut ? `${text}. It can be imported all the same; try it first.` : text);
    }
    return;
  }
  show(found);
}

function show(found) {
  const form = [found.format, found.compression, found.charset].filter((x) => x && x !== "none").join(", ");
  say(`${file.name}: ${form}; ${found.columns.length} columns. This is how its first rows would be read.`);
  takeColumns(found.columns);
  const table = element("table");
  table.append(element("caption", "The first rows"));
  const shown = ["email", "firstName", "lastName", "city", "state", "age", "gender", "mobileNumber"];
  const head = element("tr");
  for (const name of ["Line", ...shown, "What is wrong"]) {
    head.append(element("th", name, { scope: "col" }));
  }
  table.append(element("thead"));
  table.tHead.append(head);
  const body = element("tbody");
  for (const row of found.rows) {
    const tr = element("tr");
    tr.append(element("td", row.line));
    for (const name of shown) {
      tr.append(element("td", row.user[name] || ""));
    }
    tr.append(element("td", row.errors.map((e) => `${e.field ?? ""} ${e.message}`.trim()).join("; "), { class: "fault" }));
    body.append(tr);
  }
  table.append(body);
  byId("sample").replaceChildren(table);
  byId("sample").hidden = false;
}

// takeColumns shows the columns, unless they are shown already, with what was chosen for them.
function takeColumns(columns) {
  const names = String(columns.map((c) => c.name));
  if (byId("mapping").hidden || byId("mapping").dataset.columns !== names) {
    guessed = columns.map((c) => c.field ?? "");
    byId("mapping").dataset.columns = names;
    showMapping(columns);
  }
}

function showMapping(columns) {
  const table = element("table");
  table.append(element("caption", "Which column is what"));
  const body = element("tbody");
  columns.forEach((c, i) => {
    const tr = element("tr");
    tr.append(element("th", c.name || `column ${i + 1}`, { scope: "row" }));
    const select = element("select", undefined, { "aria-label": `Field of column ${c.name || i + 1}` });
    select.dataset.column = c.name;
    for (const name of ["", ...fields]) {
      select.append(new Option(name || "not used", name, false, name === (c.field ?? "")));
    }
    select.addEventListener("change", preview);
    const cell = element("td");
    cell.append(select);
    tr.append(cell, element("td", (c.samples ?? []).slice(0, 3).join(" · ")));
    body.append(tr);
  });
  table.append(body);
  byId("mapping").replaceChildren(table);
  byId("mapping").hidden = false;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// send uploads the file in pieces (tus 1.0), and goes on where it stands after a break. It returns the id of the upload.
async function send() {
  const tus = { ...caller, "Tus-Resumable": "1.0.0" };
  const bar = byId("sending");
  bar.hidden = false;
  let at = null;
  let offset = 0;
  for (let tries = 0; at === null || offset < file.size;) {
    try {
      if (at === null) {
        const name = btoa(String.fromCharCode(...new TextEncoder().encode(file.name)));
        const begun = await fetch(`${api}/uploads`, { method: "POST", headers: { ...tus, "Upload-Length": String(file.size), "Upload-Metadata": `filename ${name}` } });
        if (!begun.ok) {
          throw new Error(await failure(begun), { cause: begun.status < 500 ? "final" : undefined });
        }
        at = `${api}/uploads/${new URL(begun.headers.get("Location"), location.href).pathname.split("/").pop()}`;
      }
      if (tries > 0) {
        const stands = await fetch(at, { method: "HEAD", headers: tus });
        if (!stands.ok) {
          throw new Error("The upload is gone; choose the file again.", { cause: stands.status === 404 ? "final" : undefined });
        }
        offset = Number(stands.headers.get("Upload-Offset"));
      }
      while (offset < file.size) {
        const piece = file.slice(offset, offset + pieceBytes);
        const sent = await fetch(at, { method: "PATCH", headers: { ...tus, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" }, body: piece });
        if (!sent.ok) {
          throw new Error(await failure(sent), { cause: sent.status < 500 && sent.status !== 409 && sent.status !== 408 ? "final" : undefined });
        }
        offset = Number(sent.headers.get("Upload-Offset"));
        tries = 0;
        bar.value = 100 * offset / file.size;
        say(`Sent ${Math.floor(bar.value)} %.`);
      }
    } catch (e) {
      if (e.cause === "final" || ++tries > 30) {
        bar.hidden = true;
        throw e;
      }
      say("The connection broke; going on where the upload stands …");
      await pause(Math.min(1000 * tries, 10000));
    }
  }
  bar.hidden = true;
  return at.split("/").pop();
}

function setRunning(is) {
  running = is;
  for (const id of ["dry-run", "import", "file"]) {
    byId(id).disabled = is;
  }
}

async function run(dryRun) {
  setRunning(true);
  byId("outcome").replaceChildren();
  try {
    upload ??= await send();
    const q = options();
    q.set("uploadId", upload);
    if (dryRun) {
      q.set("dryRun", "true");
    }
    const key = crypto.randomUUID?.() ?? String(Math.random()).slice(2) + Date.now(); // so that a repetition is no second import
    let response;
    for (let tries = 0; response === undefined; tries++) {
      try {
        response = await fetch(`${api}/import/file?${q}`, { method: "POST", headers: { ...caller, "Idempotency-Key": key } });
      } catch (e) {
        if (tries === 30) {
          throw e;
        }
        say("The connection broke; trying again …");
        await pause(1000);
      }
    }
    if (!response.ok) {
      throw new Error(await failure(response));
    }
    await watch((await response.json()).jobId, dryRun);
  } catch (e) {
    say(e.message);
  } finally {
    setRunning(false);
  }
}

async function watch(id, dryRun) {
  for (let j; ;) {
    try {
      const response = await fetch(`${api}/jobs/${id}`, { headers: caller });
      j = response.ok ? await response.json() : undefined;
    } catch {
      j = undefined;
    }
    say(j ? `${j.progress} %: ${j.message}` : "The connection broke; trying again …");
    if (j && ["COMPLETED", "FAILED", "CANCELLED"].includes(j.status)) {
      outcome(j, dryRun);
      return;
    }
    await pause(500);
  }
}

function outcome(j, dryRun) {
  const out = byId("outcome");
  const counts = Object.entries(j.outcome ?? {}).filter(([, n]) => typeof n === "number").map(([what, n]) => `${n.toLocaleString()} ${what}`);
  out.append(element("h2", dryRun ? "What would become of the rows" : "What became of the rows"), element("p", counts.join(", ") || j.message, { id: "counts" }));
  const links = element("p");
  links.append(element("a", "The job", { href: `/dashboard/jobs/${j.jobId}` }));
  if (j.rejectedCount > 0) {
    links.append(" · ", element("a", "Download the rejected rows", { href: `/dashboard/jobs/${j.jobId}/rejected`, download: "" }));
  }
  out.append(links);
}

function choose(chosen) {
  if (running) {
    return;
  }
  file = chosen;
  upload = null;
  guessed = [];
  byId("mapping").hidden = true;
  byId("mapping").replaceChildren(); // what was chosen for another file's columns
  byId("sample").hidden = true;
  byId("outcome").replaceChildren();
  byId("wizard").hidden = false;
  preview();
}

const form = byId("file-form");
form.querySelector("button").hidden = true; // with script the next step shows itself
byId("file").addEventListener("change", (e) => e.target.files[0] && choose(e.target.files[0]));
form.addEventListener("submit", (e) => e.preventDefault());
form.addEventListener("dragover", (e) => { e.preventDefault(); form.classList.add("over"); });
form.addEventListener("dragleave", () => form.classList.remove("over"));
form.addEventListener("drop", (e) => {
  e.preventDefault();
  form.classList.remove("over");
  if (e.dataTransfer.files[0]) { // which is not looked at while another is imported
    choose(e.dataTransfer.files[0]);
  }
});
byId("options").addEventListener("change", preview);
byId("options").addEventListener("submit", (e) => e.preventDefault());
byId("dry-run").addEventListener("click", () => run(true));
byId("import").addEventListener("click", () => run(false));
