// Follows the stream of the page, and does what only a script can: local times, ticking all.

const byId = (id) => document.getElementById(id);

function localTimes(root) {
  for (const t of root.querySelectorAll("time[datetime]")) {
    const at = new Date(t.dateTime);
    if (!Number.isNaN(at.getTime())) {
      t.title = t.textContent;
      t.textContent = at.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
    }
  }
}

// replace changes what is shown, and leaves alone what somebody is about to use in it.
function replace(element, html) {
  const active = document.activeElement;
  if (active !== document.body && element.contains(active) && active.matches("a, button, input, select")) {
    const key = active.getAttribute("href") || active.form?.getAttribute("action");
    element.innerHTML = html;
    for (const e of element.querySelectorAll("a, button, input, select")) {
      if (key && (e.getAttribute("href") === key || e.form?.getAttribute("action") === key)) {
        e.focus();
        break;
      }
    }
  } else {
    element.innerHTML = html;
  }
  localTimes(element);
}

function showRows(body, update) {
  const there = new Map([...body.children].map((tr) => [tr.dataset.id, tr]));
  const rows = update.order.map((id) => {
    const tr = there.get(id) ?? document.createElement("tr");
    tr.dataset.id = id;
    const html = update.rows?.[id];
    if (html !== undefined) {
      const ticked = tr.querySelector("input[name=id]")?.checked;
      replace(tr, html);
      if (ticked) {
        tr.querySelector("input[name=id]").checked = true;
      }
    }
    return tr;
  });
  const same = rows.length === body.children.length && rows.every((tr, i) => body.children[i] === tr);
  if (!same) {
    body.replaceChildren(...rows);
  }
}

function follow(address) {
  const connection = byId("connection");
  const say = (text) => {
    if (connection.textContent !== text) {
      connection.textContent = text;
    }
    connection.hidden = text === "";
  };
  const open = () => {
    const source = new EventSource(address);
    source.addEventListener("update", (e) => {
      say("");
      const update = JSON.parse(e.data);
      for (const [name, html] of Object.entries(update.parts ?? {})) {
        const part = byId("live-" + name);
        if (part) {
          replace(part, html);
        }
      }
      if (update.order) {
        showRows(byId("rows"), update);
      }
    });
    source.addEventListener("trouble", (e) => say(JSON.parse(e.data)));
    source.addEventListener("signedout", () => {
      source.close();
      location.reload();
    });
    source.onerror = () => {
      say("The connection is lost; what you see is from before. Trying again …");
      if (source.readyState === EventSource.CLOSED) { // after an answer that is no stream it does not try again by itself
        setTimeout(open, 3000);
      }
    };
    addEventListener("pagehide", () => source.close(), { once: true });
  };
  open();
}

localTimes(document);
if (document.body.dataset.events) {
  follow(document.body.dataset.events);
}
const all = byId("tick-all");
if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of document.querySelectorAll("#rows input[name=id]")) {
      box.checked = all.checked;
    }
  });
}
