/* What staff alone have, over site.js: comforts again, since every page works without. Words come from the page (data-*). */
(function () {
  "use strict";

  /* What is typed about a request is kept on the server two seconds after the last key; the same address keeps it for a button. A
     redirect is its yes: it is not followed, for to open the page is written down. */
  var work = document.querySelector("form[data-drafts]");
  var said = document.querySelector("[data-saved]");
  if (work && said && window.fetch && window.URLSearchParams) {
    var timer, busy = false, again = false, old = false;
    var say = function (words) { said.hidden = false; said.textContent = words; };
    var keep = function () {
      if (old) return;
      if (busy) { again = true; return; }
      busy = true;
      var areas = Array.prototype.filter.call(work.elements, function (one) { return one.tagName === "TEXTAREA"; });
      var sent = areas.map(function (area) { return area.value; });
      fetch(work.action, { method: "POST", body: new URLSearchParams(new FormData(work)), redirect: "manual" }).then(function (answer) {
        var kept = answer.type === "opaqueredirect";
        old = answer.status === 409;
        if (kept) areas.forEach(function (area, n) { var now = area.value; area.defaultValue = sent[n]; area.value = now; });
        say(kept ? said.dataset.kept : answer.status === 401 ? said.dataset.over : old ? said.dataset.old : said.dataset.lost);
      }, function () { say(said.dataset.lost); }).then(function () {
        busy = false;
        if (again) { again = false; keep(); }
      });
    };
    work.addEventListener("submit", function () { clearTimeout(timer); again = false; });
    document.addEventListener("input", function (event) {
      if (event.target.form !== work || event.target.tagName !== "TEXTAREA") return;
      clearTimeout(timer);
      timer = setTimeout(keep, 2000);
    });
  }

  /* What a page asks for again by itself, it asks while somebody looks. */
  var whileSeen = function (seconds, ask) {
    var look = function () { if (!document.hidden) ask(); };
    setInterval(look, seconds * 1000);
    document.addEventListener("visibilitychange", look);
  };

  /* A list says how many more there are by now, in words and in the title; its rows stay where they are. */
  var news = document.querySelector("[data-news]");
  if (news && window.fetch) {
    var line = news.firstElementChild, title = document.title, tag = "", over = false;
    whileSeen(20, function () {
      if (over) return;
      fetch(news.dataset.news, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", redirect: "manual" }).then(function (answer) {
        over = answer.type === "opaqueredirect";
        if (answer.status !== 200) return;
        tag = answer.headers.get("ETag") || "";
        return answer.json().then(function (said) {
          line.hidden = !said.new;
          line.firstElementChild.textContent = said.new === 1 ? news.dataset.one : said.new + " " + (said.new > 99 ? news.dataset.more + " " : "") + news.dataset.many;
          document.title = said.new ? "(" + said.new + " new) " + title : title;
        });
      }, function () { return null; });
    });
  }

  /* How far an edition is: the figures alone, drawn when they are others. What is over, or paused, is a page of its own. */
  var far = document.querySelector("[data-far]");
  if (far && window.XMLHttpRequest) {
    var mark = "";
    whileSeen(5, function () {
      var asked = new XMLHttpRequest();
      asked.open("GET", far.dataset.far);
      asked.responseType = "document";
      if (mark) asked.setRequestHeader("If-None-Match", mark);
      asked.onload = function () {
        if (asked.status === 304 || asked.status >= 500) return;
        mark = asked.getResponseHeader("ETag") || "";
        var found = asked.response && asked.response.querySelector("[data-far]");
        if (!found) { location.reload(); return; }
        far.replaceWith(found);
        far = found;
      };
      asked.send();
    });
  }
})();
