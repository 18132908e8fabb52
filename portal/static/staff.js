/* What staff alone have, over site.js: comforts again, since every page works without. Words come from the page (data-*). */
(function () {
  "use strict";

  /* What is typed about a request is kept on the server two seconds after the last key; the same address keeps it for a button. A
     redirect is its yes: it is not followed, for to open the page is written down. */
  var work = document.querySelector("form[data-drafts]");
  var said = document.querySelector("[data-saved]");
  if (work && said && window.fetch && window.URLSearchParams) {
    var timer, busy = false, again = false;
    var say = function (words) { said.hidden = false; said.textContent = words; };
    var keep = function () {
      if (busy) { again = true; return; }
      busy = true;
      var areas = Array.prototype.filter.call(work.elements, function (one) { return one.tagName === "TEXTAREA"; });
      var sent = areas.map(function (area) { return area.value; });
      fetch(work.action, { method: "POST", body: new URLSearchParams(new FormData(work)), redirect: "manual" }).then(function (answer) {
        var kept = answer.type === "opaqueredirect";
        if (kept) areas.forEach(function (area, n) { var now = area.value; area.defaultValue = sent[n]; area.value = now; });
        say(kept ? said.dataset.kept : answer.status === 401 ? said.dataset.over : said.dataset.lost);
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
})();
