/* Keys for those who switched them on (the page says so): they press and focus what is there already, and do nothing of their own. */
(function () {
  "use strict";
  var place = document.querySelector("[data-keys]");
  if (!place) return;

  var links = Array.prototype.slice.call(document.querySelectorAll(".queue tbody th a"));
  var here = function () {
    var row = document.activeElement && document.activeElement.closest(".queue tbody tr");
    return row ? links.indexOf(row.querySelector("th a")) : -1;
  };
  // Where one claimed in the list, which came again after it: the row is there still, or another stands in its place.
  var left = null;
  try {
    if (/[?&]claimed=/.test(location.search)) left = JSON.parse(sessionStorage.getItem("row"));
    sessionStorage.removeItem("row");
  } catch (error) { left = null; }
  var from = function (step) {
    if (!left) return step > 0 ? -1 : links.length;
    var is_there = links[left.at] && links[left.at].textContent === left.row;
    return is_there || step < 0 ? left.at : left.at - 1;
  };
  var go = function (step) {
    var at = here();
    var next = links[(at < 0 ? from(step) : at) + step];
    left = null;
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  };
  var press = function (button) { if (button) button.click(); };
  var write = function (box) {
    var area = document.getElementById(box + "-text"), link = links[here()];
    if (area) area.focus();
    else if (link) location.href = link.href + "#" + box + "-text";
  };
  var acts = {
    j: function () { go(1); },
    k: function () { go(-1); },
    o: function () { press(links[here()]); },
    c: function () {
      var link = links[here()];
      try { if (link) sessionStorage.setItem("row", JSON.stringify({ at: here(), row: link.textContent })); } catch (error) { /* it begins at the top then */ }
      press(link ? link.closest("tr").querySelector("form.action button") : document.querySelector("button[formaction$='/claim']"));
    },
    n: function () { write("note"); },
    a: function () { write("answer"); },
    "/": function () {
      var search = document.getElementById("q");
      if (!search) { location.href = place.dataset.list + "#q"; return; }
      var fold = search.closest("details");
      if (fold) fold.open = true;
      search.focus();
    },
    "?": function () { location.href = place.dataset.help; }
  };

  document.addEventListener("keydown", function (event) {
    var target = event.target;
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat && event.key !== "j" && event.key !== "k") return;
    if (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "checkbox") return;
    if (!Object.prototype.hasOwnProperty.call(acts, event.key)) return;
    event.preventDefault();
    acts[event.key]();
  });
})();
