/* Comforts only: every page works without this file. Words come from the page (data-*), text is set with textContent alone. */
(function () {
  "use strict";
  var each = function (selector, act) { Array.prototype.forEach.call(document.querySelectorAll(selector), act); };

  /* The browser's own printing is always there; the button is only offered when it can work. */
  each("[data-print]", function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.print(); });
  });

  /* What stands in one block to be copied; offered where the browser has a clipboard to give. */
  each("[data-copy]", function (button) {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent).then(function () { button.textContent = button.dataset.done; });
    });
  });

  /* The gate of the front page of the resource leads on to the #passage that was asked for, as the chapters' gates do by themselves. */
  each("form[action='/prescribers/gate']", function (form) { if (location.hash) form.action = location.href; });

  /* The summary takes the focus by `autofocus`. Where a browser does not do that for a group, do it here; then keep the label of
     the field in view when a line is followed. */
  var summary = document.getElementById("errors");
  if (summary) {
    window.addEventListener("load", function () {
      setTimeout(function () { if (!location.hash && document.activeElement === document.body) summary.focus(); }, 200);
    });
    summary.addEventListener("click", function (event) {
      var link = event.target.closest("a[href^='#']");
      var target = link && document.getElementById(link.getAttribute("href").slice(1));
      if (!target) return;
      event.preventDefault();
      (target.closest(".field") || target).scrollIntoView();
      target.focus({ preventScroll: true });
    });
  }

  /* Characters left: seen at once, spoken after a pause and only in the last quarter. Counted as the server counts: code points,
     a line break as one. */
  each("textarea[data-count]", function (area) {
    var limit = Number(area.dataset.count);
    var shown = document.getElementById(area.id + "-c");
    if (!shown || !limit) return;
    var spoken = shown.cloneNode(false);
    spoken.removeAttribute("id");
    spoken.className = "vh";
    spoken.setAttribute("role", "status");
    shown.after(spoken);
    var timer;
    var count = function () {
      var left = limit - Array.from(area.value.replace(/\r\n?/g, "\n")).length;
      var words = shown.dataset[left < 0 ? "over" : "left"].replace("{n}", Math.abs(left).toLocaleString(document.documentElement.lang));
      shown.textContent = words;
      shown.classList.toggle("over", left < 0);
      clearTimeout(timer);
      timer = setTimeout(function () { spoken.textContent = left < limit / 4 ? words : ""; }, 800);
    };
    area.addEventListener("input", count);
    if (area.value) count();
  });

  /* One press, one send: the second press of a form on its way is dropped. Coming back to the page with Back frees it again. The
     button is never disabled, since its name and value belong to what is sent. */
  var leaving = false;
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    leaving = true;
    if (event.submitter) event.submitter.setAttribute("aria-disabled", "true");
    setTimeout(free, 20000);
  });
  function free() {
    leaving = false;
    each("form[data-sent]", function (form) { delete form.dataset.sent; });
    each("button[aria-disabled]", function (button) { button.removeAttribute("aria-disabled"); });
  }
  window.addEventListener("pageshow", function (event) { if (event.persisted) free(); });

  /* Ask before text that was typed and not sent is left behind. */
  window.addEventListener("beforeunload", function (event) {
    if (leaving) return;
    var changed = Array.prototype.some.call(document.querySelectorAll("textarea"), function (area) {
      return area.form && !area.form.hasAttribute("data-keep") && area.value !== area.defaultValue;
    });
    if (changed) event.preventDefault();
  });
})();
